package dev.pgbelay.testing;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Asks a server, each time on a connection of its own, and waits until it has done something. */
final class NodeQuestions {
  private static final Duration CONTROL_LIMIT = Duration.ofMinutes(1);

  /** So a replica ends a statement whose snapshot keeps it from replaying. */
  private static final String IN_THE_WAY_OF_REPLAY = "40001";

  private final PostgresNode node;

  NodeQuestions(PostgresNode node) {
    this.node = node;
  }

  interface Condition {
    boolean holds();
  }

  private interface Question<T> {
    T put(Connection connection) throws SQLException;
  }

  void await(String what, Condition condition) {
    long deadline = System.nanoTime() + CONTROL_LIMIT.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > deadline) {
        throw new ClusterException(
            node.name()
                + " did not "
                + what
                + " within "
                + CONTROL_LIMIT
                + ". Its log says:\n"
                + node.logTail(20));
      }
      try {
        TimeUnit.MILLISECONDS.sleep(3);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ClusterException("interrupted while " + node.name() + " was to " + what, e);
      }
    }
  }

  /**
   * The first column of the first row as text. Asked again where a replica ended the question for
   * the sake of replay, so it is one that may be put twice.
   */
  String ask(String sql, String... values) {
    try {
      return again(connection -> first(connection, sql, values));
    } catch (SQLException e) {
      throw unanswered(e);
    }
  }

  /** What would be answered otherwise the second time. */
  String askOnce(String sql, String... values) {
    try (Connection connection = node.connect()) {
      return first(connection, sql, values);
    } catch (SQLException e) {
      throw unanswered(e);
    }
  }

  private ClusterException unanswered(SQLException e) {
    return new ClusterException(node.name() + " does not do what was asked: " + e.getMessage(), e);
  }

  private static String first(Connection connection, String sql, String... values)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setString(i + 1, values[i]);
      }
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return String.valueOf(rows.getString(1));
      }
    }
  }

  private <T> T again(Question<T> question) throws SQLException {
    long deadline = System.nanoTime() + CONTROL_LIMIT.toNanos();
    while (true) {
      try (Connection connection = node.connect()) {
        return question.put(connection);
      } catch (SQLException e) {
        if (!IN_THE_WAY_OF_REPLAY.equals(e.getSQLState()) || System.nanoTime() > deadline) {
          throw e;
        }
      }
    }
  }

  /** Sets, reloads, and takes it back if the server does not take it on. */
  void configure(String setting, String value) {
    String loaded = ask(NodeSql.SHOW_LOAD_TIME);
    try {
      again(connection -> alter(connection, NodeSql.CONFIGURE, setting, value));
      await("take on " + setting, () -> !ask(NodeSql.SHOW_LOAD_TIME).equals(loaded));
      Optional<String> refusal = again(connection -> refusal(connection, setting));
      if (refusal.isPresent()) {
        again(connection -> alter(connection, NodeSql.RESET_CONFIGURATION, setting, value));
        throw new ClusterException(
            node.name() + " cannot take on " + setting + ": " + refusal.get());
      }
    } catch (SQLException e) {
      throw new ClusterException(node.name() + " refuses " + setting + " = '" + value + "'", e);
    }
  }

  private static boolean alter(Connection connection, String sql, String setting, String value)
      throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql.formatted(setting, statement.enquoteLiteral(value)));
      return statement.execute(NodeSql.RELOAD);
    }
  }

  private static Optional<String> refusal(Connection connection, String setting)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(NodeSql.FIND_REFUSAL)) {
      statement.setString(1, setting);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? Optional.of(rows.getString(1)) : Optional.empty();
      }
    }
  }
}
