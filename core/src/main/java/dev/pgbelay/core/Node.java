package dev.pgbelay.core;

import dev.pgbelay.core.internal.LogPosition;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collections;
import java.util.Map;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What does not change while a physical connection lives. The log's position is only asked for at
 * COMMIT where this first look has shown that the server tells it: a question that fails behind a
 * COMMIT would make a committed transaction look failed.
 *
 * @param url the database, as the driver was told it
 * @param primaryTimeline the timeline, where this session leads to one primary and no other; else 0
 */
record Node(
    @Nullable String url,
    long systemIdentifier,
    long segmentSize,
    boolean tellsPosition,
    int primaryTimeline) {
  private static final Logger LOG = LoggerFactory.getLogger(Node.class);
  private static final Map<PGConnection, Node> KNOWN =
      Collections.synchronizedMap(new WeakHashMap<>());

  /** One round trip the first time a physical connection is seen; must not be in a transaction. */
  static Node behind(Connection connection, PGConnection driver) throws SQLException {
    Node known = KNOWN.get(driver);
    if (known != null) {
      return known;
    }
    Node identified = identify(connection, driver);
    KNOWN.put(driver, identified);
    return identified;
  }

  @Nullable CommitPosition position(@Nullable String lsn, int timeline) {
    if (lsn == null || timeline < 1 || !tellsPosition) {
      return null;
    }
    long inserted = LogPosition.parse(lsn);
    return new CommitPosition(
        systemIdentifier, timeline, LogPosition.withoutHeader(inserted, segmentSize));
  }

  private static Node identify(Connection connection, PGConnection driver) throws SQLException {
    String url = PgDriver.url(driver);
    Node node;
    try (PreparedStatement ask = connection.prepareStatement(TransactionSql.IDENTIFY_NODE);
        ResultSet row = ask.executeQuery()) {
      row.next();
      boolean pooler = row.getInt(3) != driver.getBackendPID();
      if (pooler) {
        warnOfPooler(driver);
      }
      String file = row.getString(5);
      int timeline = pooler || file == null ? 0 : Integer.parseInt(file, 0, 8, 16);
      node = new Node(url, row.getLong(1), row.getLong(2), true, timeline);
    } catch (SQLException e) {
      // Also a connection that is gone comes here; what its rollback says would hide why.
      if (!isRefusal(e)) {
        throw e;
      }
      LOG.info(
          "the server does not tell log positions (SQLSTATE {}): commits carry none",
          e.getSQLState());
      node = new Node(url, 0, 0, false, 0);
    }
    if (!connection.getAutoCommit()) {
      connection.rollback();
    }
    return node;
  }

  /** No grant, no such function here, or not implemented by the service that this is. */
  private static boolean isRefusal(SQLException e) {
    String state = e.getSQLState();
    return state != null
        && (state.startsWith("42") || state.startsWith("0A") || state.equals("55000"));
  }

  private static void warnOfPooler(PGConnection driver) {
    if (driver.getPrepareThreshold() != 0) {
      LOG.warn(
          "a pooler stands between this process and PostgreSQL, and prepareThreshold is {}: unless"
              + " it is PgBouncer 1.21 or later with max_prepared_statements set, put"
              + " prepareThreshold=0 into the JDBC URL, or statements fail at random",
          driver.getPrepareThreshold());
    }
  }
}
