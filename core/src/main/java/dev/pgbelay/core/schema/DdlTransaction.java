package dev.pgbelay.core.schema;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** One transaction for DDL on a connection of its own: no setting outlives it. */
final class DdlTransaction {

  /** What happens in the transaction. */
  interface Work<T extends @Nullable Object> {
    T run(DdlTransaction tx) throws SQLException;
  }

  private final Connection connection;

  private DdlTransaction(Connection connection) {
    this.connection = connection;
  }

  static <T extends @Nullable Object> T run(DataSource dataSource, Work<T> work)
      throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      return run(connection, work);
    }
  }

  static <T extends @Nullable Object> T run(Connection connection, Work<T> work)
      throws SQLException {
    boolean autoCommit = connection.getAutoCommit();
    connection.setAutoCommit(false);
    try {
      DdlTransaction tx = new DdlTransaction(connection);
      tx.execute(DdlSql.READ_COMMITTED);
      T result = work.run(tx);
      connection.commit();
      connection.setAutoCommit(autoCommit);
      return result;
    } catch (SQLException | RuntimeException | Error e) {
      try {
        connection.rollback();
        connection.setAutoCommit(autoCommit);
      } catch (SQLException onRollback) {
        e.addSuppressed(onRollback);
      }
      throw e;
    }
  }

  Connection connection() {
    return connection;
  }

  void lockTimeout(Duration timeout) throws SQLException {
    try (PreparedStatement set = connection.prepareStatement(DdlSql.SET_LOCAL_LOCK_TIMEOUT)) {
      set.setString(1, timeout.toMillis() + "ms");
      set.execute();
    }
  }

  /** Runs one statement; JDBC escapes in it mean nothing. */
  void execute(String sql) throws SQLException {
    execute(connection, sql);
  }

  static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.setEscapeProcessing(false);
      statement.execute(sql);
    }
  }

  /**
   * Runs text that may hold several statements. The server takes it apart, not the driver, whose
   * splitting fails after a BEGIN ATOMIC body; and it refuses COMMIT and ROLLBACK in the text,
   * which would take the timeouts and locks of this transaction away.
   */
  void executeScript(String script) throws SQLException {
    try (PreparedStatement pass = connection.prepareStatement(DdlSql.PASS_SCRIPT)) {
      pass.setString(1, script);
      pass.execute();
    }
    execute(DdlSql.EXECUTE_SCRIPT);
  }
}
