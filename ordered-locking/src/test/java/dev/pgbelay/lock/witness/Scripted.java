package dev.pgbelay.lock.witness;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Transactions as lists of statements, run one after the other in the thread of the test. */
final class Scripted {
  private Scripted() {}

  /** What one transaction does. */
  interface Script {
    void run(Connection connection) throws SQLException;
  }

  /** The statements in this order, without parameters. */
  static Script sql(String... statements) {
    return connection -> {
      for (String statement : statements) {
        run(connection, statement);
      }
    };
  }

  static void run(Connection connection, String sql, @Nullable Object... values)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setObject(i + 1, values[i]);
      }
      if (statement.execute()) {
        try (ResultSet rows = statement.getResultSet()) {
          while (rows.next()) {
            // to the end, so that each row is locked
          }
        }
      }
    }
  }

  static void batch(Connection connection, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (Object value : values) {
        statement.setObject(1, value);
        statement.addBatch();
      }
      statement.executeBatch();
    }
  }

  /** Each in a transaction of its own, which is rolled back: orders are learned all the same. */
  static void play(DataSource dataSource, List<Script> scripts) throws SQLException {
    for (Script script : scripts) {
      try (Connection connection = dataSource.getConnection()) {
        connection.setAutoCommit(false);
        script.run(connection);
        connection.rollback();
      }
    }
  }
}
