package dev.pgbelay.testing;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import javax.sql.DataSource;

/** A connection apart that asks what others are doing. Used by one thread at a time. */
final class SessionMonitor implements AutoCloseable {
  private final Connection connection;

  SessionMonitor(DataSource dataSource) throws SQLException {
    this.connection = dataSource.getConnection();
    connection.setAutoCommit(true);
  }

  /** Who holds what any of these wait for; empty when none of them waits for a lock. */
  synchronized List<Integer> blockersOf(Collection<Integer> pids) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(InterleavingSql.FIND_BLOCKERS)) {
      statement.setArray(1, array(pids));
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return List.of((Integer[]) rows.getArray(1).getArray());
      }
    }
  }

  synchronized int countInState(Collection<Integer> pids, String state) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(InterleavingSql.COUNT_IN_STATE)) {
      statement.setArray(1, array(pids));
      statement.setString(2, state);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return rows.getInt(1);
      }
    }
  }

  synchronized void cancel(Collection<Integer> pids) throws SQLException {
    execute(InterleavingSql.CANCEL, pids);
  }

  synchronized void terminate(Collection<Integer> pids) throws SQLException {
    execute(InterleavingSql.TERMINATE, pids);
  }

  /** One paragraph for each session of the database, for a message. */
  synchronized String dump() {
    StringBuilder text = new StringBuilder();
    try (PreparedStatement statement = connection.prepareStatement(InterleavingSql.DUMP);
        ResultSet rows = statement.executeQuery()) {
      while (rows.next()) {
        text.append(rows.getString(1)).append('\n');
      }
    } catch (SQLException e) {
      text.append("  (the sessions could not be listed: ").append(e.getMessage()).append(")\n");
    }
    return text.toString();
  }

  private void execute(String sql, Collection<Integer> pids) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setArray(1, array(pids));
      statement.execute();
    }
  }

  private Array array(Collection<Integer> pids) throws SQLException {
    return connection.createArrayOf("int4", pids.toArray());
  }

  @Override
  public synchronized void close() throws SQLException {
    connection.close();
  }
}
