package dev.pgbelay.testing;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * A session that stands in the way: an open transaction with a snapshot (REPEATABLE READ) and
 * whatever locks its statements took, until it is closed, which rolls back. It owns its connection.
 * One thread at a time.
 */
public final class HeldTransaction implements AutoCloseable {
  private final Connection connection;
  private final int pid;

  private HeldTransaction(Connection connection, int pid) {
    this.connection = connection;
    this.pid = pid;
  }

  static HeldTransaction begin(Connection connection, String... statements) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(NodeSql.BEGIN_SNAPSHOT);
      int pid;
      try (ResultSet rows = statement.executeQuery(NodeSql.TAKE_SNAPSHOT)) {
        rows.next();
        pid = rows.getInt(1);
      }
      for (String sql : statements) {
        statement.execute(sql);
      }
      return new HeldTransaction(connection, pid);
    } catch (SQLException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  /** The process of the session on the server. */
  public int pid() {
    return pid;
  }

  /** Does more in the transaction, such as taking another lock. */
  public void execute(String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** Rolls back and closes the connection. A session that the server has ended is no error. */
  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
