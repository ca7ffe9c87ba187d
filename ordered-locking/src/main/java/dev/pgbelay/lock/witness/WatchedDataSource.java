package dev.pgbelay.lock.witness;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.internal.PgDriver;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Objects;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.postgresql.PGConnection;

/** Hands out connections that tell a witness what is done with them. */
final class WatchedDataSource implements DataSource {
  private final DataSource target;
  private final LockWitness witness;
  private final DatabaseView database;

  /** By the driver's connection, which outlives what a pool hands out. */
  private final Cache<PGConnection, ObservedSession> sessions =
      Caffeine.newBuilder().weakKeys().build();

  WatchedDataSource(DataSource target, LockWitness witness, DatabaseView database) {
    this.target = target;
    this.witness = witness;
    this.database = database;
  }

  private Connection watched(Connection connection) throws SQLException {
    PGConnection driver = PgDriver.unwrap(connection);
    ObservedSession session = sessions.get(driver, this::session);
    return WatchedConnection.around(connection, driver, Objects.requireNonNull(session));
  }

  private ObservedSession session(PGConnection driver) {
    String url = PgDriver.url(driver);
    String known = url == null ? "" : url;
    return new ObservedSession(
        witness,
        database,
        ObservedSessions.Id.of(known, driver.getBackendPID()),
        ObservedSessions.Id.database(known));
  }

  @Override
  public Connection getConnection() throws SQLException {
    return watched(target.getConnection());
  }

  @Override
  public Connection getConnection(String user, String password) throws SQLException {
    return watched(target.getConnection(user, password));
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
    return Logger.getLogger(WatchedDataSource.class.getName());
  }

  @Override
  public <T> T unwrap(Class<T> type) throws SQLException {
    return type.isInstance(this)
        ? type.cast(this)
        : type.isInstance(target) ? type.cast(target) : target.unwrap(type);
  }

  @Override
  public boolean isWrapperFor(Class<?> type) throws SQLException {
    return type.isInstance(this) || type.isInstance(target) || target.isWrapperFor(type);
  }
}
