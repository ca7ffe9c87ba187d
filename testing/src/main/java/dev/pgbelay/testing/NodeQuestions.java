package dev.pgbelay.testing;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Asks a server, each time on a connection of its own, and waits until it has done something. */
final class NodeQuestions {
  private static final Duration CONTROL_LIMIT = Duration.ofSeconds(30);

  private final PostgresNode node;

  NodeQuestions(PostgresNode node) {
    this.node = node;
  }

  interface Condition {
    boolean holds();
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

  /** The first column of the first row as text. */
  String ask(String sql, String... values) {
    try (Connection connection = node.connect();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setString(i + 1, values[i]);
      }
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return String.valueOf(rows.getString(1));
      }
    } catch (SQLException e) {
      throw new ClusterException(node.name() + " does not do what was asked: " + e.getMessage(), e);
    }
  }

  /** Sets, reloads, and takes it back if the server does not take it on. */
  void configure(String setting, String value) {
    String loaded = ask(NodeSql.SHOW_LOAD_TIME);
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(NodeSql.CONFIGURE.formatted(setting, statement.enquoteLiteral(value)));
      statement.execute(NodeSql.RELOAD);
      await("take on " + setting, () -> !ask(NodeSql.SHOW_LOAD_TIME).equals(loaded));
      String refusal = refusal(connection, setting);
      if (refusal != null) {
        statement.execute(NodeSql.RESET_CONFIGURATION.formatted(setting));
        statement.execute(NodeSql.RELOAD);
        throw new ClusterException(node.name() + " cannot take on " + setting + ": " + refusal);
      }
    } catch (SQLException e) {
      throw new ClusterException(node.name() + " refuses " + setting + " = '" + value + "'", e);
    }
  }

  private static @Nullable String refusal(Connection connection, String setting)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(NodeSql.FIND_REFUSAL)) {
      statement.setString(1, setting);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? rows.getString(1) : null;
      }
    }
  }
}
