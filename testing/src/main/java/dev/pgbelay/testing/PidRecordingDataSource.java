package dev.pgbelay.testing;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.postgresql.PGConnection;

/** Remembers which server processes it gave connections to. */
final class PidRecordingDataSource implements DataSource {
  private final DataSource target;
  private final Set<Integer> pids = ConcurrentHashMap.newKeySet();

  PidRecordingDataSource(DataSource target) {
    this.target = target;
  }

  Set<Integer> pids() {
    return Set.copyOf(pids);
  }

  private Connection recorded(Connection connection) throws SQLException {
    pids.add(connection.unwrap(PGConnection.class).getBackendPID());
    return connection;
  }

  @Override
  public Connection getConnection() throws SQLException {
    return recorded(target.getConnection());
  }

  @Override
  public Connection getConnection(String user, String password) throws SQLException {
    return recorded(target.getConnection(user, password));
  }

  @Override
  public PrintWriter getLogWriter() throws SQLException {
    return target.getLogWriter();
  }

  @Override
  public void setLogWriter(PrintWriter out) throws SQLException {
    target.setLogWriter(out);
  }

  @Override
  public void setLoginTimeout(int seconds) throws SQLException {
    target.setLoginTimeout(seconds);
  }

  @Override
  public int getLoginTimeout() throws SQLException {
    return target.getLoginTimeout();
  }

  @Override
  public Logger getParentLogger() {
    return Logger.getLogger(PidRecordingDataSource.class.getName());
  }

  @Override
  public <T> T unwrap(Class<T> type) throws SQLException {
    return type.isInstance(this) ? type.cast(this) : target.unwrap(type);
  }

  @Override
  public boolean isWrapperFor(Class<?> type) throws SQLException {
    return type.isInstance(this) || target.isWrapperFor(type);
  }
}
