package dev.pgbelay.routing;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.internal.LogPosition;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.routing.NodeSight.ServerStart;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is known of pooled connections: to which start of which server they lead, and since when. As
 * long as one lives, its server has not crashed, and so not gone back. Safe for several threads.
 */
final class SeenConnections {
  private static final Logger LOG = LoggerFactory.getLogger(SeenConnections.class);

  /**
   * @param lsn how far the server was when the connection was first seen
   * @param primaryTimeline 0 while it recovers
   * @param pid 0 where a pooler stands in between
   * @param seenNanos after the connection was opened
   */
  record Seen(
      ServerStart server,
      boolean recovering,
      long lsn,
      int primaryTimeline,
      int pid,
      long segmentSize,
      long seenNanos) {
    /** Whether each transaction may be on another session of the server. */
    boolean isBehindPooler() {
      return pid == 0;
    }
  }

  private final AtomicBoolean warned = new AtomicBoolean();

  private final Cache<PGConnection, Seen> known = Caffeine.newBuilder().weakKeys().build();

  /**
   * One round trip the first time, and once more when its server has been promoted. Behind a pooler
   * each time: the server's own connection may be another one, and the server a crashed one.
   */
  Seen of(Connection connection) throws SQLException {
    PGConnection driver = PgDriver.unwrap(connection);
    Seen seen = known.getIfPresent(driver);
    if (seen != null
        && !seen.isBehindPooler()
        && (!seen.recovering() || PgDriver.isStandby(driver).orElse(seen.recovering()))) {
      return seen;
    }
    Seen identified =
        identify(connection, driver, seen != null && !seen.isBehindPooler() ? seen : null);
    known.put(driver, identified);
    return identified;
  }

  /** It is of no use any more: its pool finds it closed at its next use. */
  static void evict(Connection connection) throws SQLException {
    if (PgDriver.unwrap(connection) instanceof Connection driver) {
      driver.abort(Runnable::run);
    }
  }

  private Seen identify(Connection connection, PGConnection driver, @Nullable Seen before)
      throws SQLException {
    long nanos = before == null ? System.nanoTime() : before.seenNanos();
    try (PreparedStatement ask = connection.prepareStatement(ProbeSql.IDENTIFY_CONNECTION);
        ResultSet row = ask.executeQuery()) {
      row.next();
      int pid = row.getInt(6);
      if (pid != driver.getBackendPID()) {
        warnOfStatements(driver);
      }
      return new Seen(
          new ServerStart(row.getLong(1), row.getLong(2)),
          row.getBoolean(3),
          LogPosition.parse(row.getString(4)),
          row.getInt(5),
          pid == driver.getBackendPID() ? pid : 0,
          row.getLong(7),
          nanos);
    }
  }

  private void warnOfStatements(PGConnection driver) {
    if (driver.getPrepareThreshold() != 0 && warned.compareAndSet(false, true)) {
      LOG.warn(
          "a pooler stands between this process and a node, and prepareThreshold is {}: unless it"
              + " is PgBouncer 1.21 or later with max_prepared_statements set, put"
              + " prepareThreshold=0 into the JDBC URL, or statements fail at random",
          driver.getPrepareThreshold());
    }
  }
}
