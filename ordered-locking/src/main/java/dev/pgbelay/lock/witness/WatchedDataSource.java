package dev.pgbelay.lock.witness;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.internal.PassingDataSource;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Objects;
import javax.sql.DataSource;
import org.postgresql.PGConnection;

/** Hands out connections that tell a witness what is done with them. */
final class WatchedDataSource extends PassingDataSource {
  private final LockWitness witness;
  private final DatabaseView database;

  /** By the driver's connection, which outlives what a pool hands out. */
  private final Cache<PGConnection, ObservedSession> sessions =
      Caffeine.newBuilder().weakKeys().build();

  WatchedDataSource(DataSource target, LockWitness witness, DatabaseView database) {
    super(target);
    this.witness = witness;
    this.database = database;
  }

  @Override
  protected Connection passed(Connection connection) throws SQLException {
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
}
