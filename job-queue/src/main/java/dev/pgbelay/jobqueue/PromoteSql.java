package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;

/** The statements that make jobs ready when their time has come. */
class PromoteSql {
  /**
   * Binds the moment before which nothing is looked for, and limit: what was promoted before stands
   * in front of the index while an old snapshot keeps it. What falls due at one moment may be more
   * than a page; those of a partition key must not be promoted out of order then. The clock is read
   * by itself, since an index knows no bound that changes from row to row: all that is scheduled
   * for later would be walked.
   */
  private static final String PROMOTE =
      """
      WITH due AS MATERIALIZED (
        SELECT j.id FROM <job> AS j
         WHERE j.run_at >= to_timestamp(? / 1000000.0) AND j.run_at <= (SELECT clock_timestamp())
         ORDER BY j.run_at, j.place, j.id
         LIMIT ?
           FOR NO KEY UPDATE OF j SKIP LOCKED)
      UPDATE <job> AS j
         SET state = CASE WHEN j.partition_key IS NULL OR j.key_slot > 0 THEN 'ready'
                          ELSE 'arriving' END,
             run_at = CASE WHEN j.partition_key IS NULL OR j.key_slot > 0 THEN NULL
                           ELSE CAST('infinity' AS timestamptz) END,
             key_slot = CASE WHEN j.partition_key IS NULL THEN NULL
                             ELSE coalesce(j.key_slot, -1) END
       WHERE j.id = ANY (ARRAY(SELECT id FROM due))\
      """;

  /** Binds the same moment. */
  private static final String READ_NEXT =
      """
      SELECT CAST(extract(epoch FROM n.now) * 1000000 AS bigint) AS now,
             CAST(extract(epoch FROM n.next - n.now) * 1000 AS bigint) AS millis
        FROM (SELECT clock_timestamp() AS now,
                     (SELECT j.run_at FROM <job> AS j
                       WHERE j.run_at >= to_timestamp(? / 1000000.0) AND j.run_at < 'infinity'
                       ORDER BY j.run_at
                       LIMIT 1) AS next
              OFFSET 0) AS n\
      """;

  private final String promote;
  private final String readNext;

  PromoteSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.promote = tables.fill(PROMOTE);
    this.readNext = tables.fill(READ_NEXT);
  }

  /** What the server says of a promotion that it really makes; for tests. */
  String explainPromotion(Connection connection, long from, int limit) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement("EXPLAIN (ANALYZE, BUFFERS) " + promote)) {
      update.setLong(1, from);
      update.setInt(2, limit);
      StringBuilder plan = new StringBuilder();
      try (ResultSet row = update.executeQuery()) {
        while (row.next()) {
          plan.append(row.getString(1)).append('\n');
        }
      }
      return plan.toString();
    }
  }

  /**
   * @param from in microseconds since 1970
   */
  int promote(Connection connection, long from, int limit) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(promote)) {
      PgDriver.planEachTime(update);
      update.setLong(1, from);
      update.setInt(2, limit);
      return update.executeUpdate();
    }
  }

  /**
   * The database's clock, and what comes next.
   *
   * @param nowMicros since 1970
   * @param untilNext until the next scheduled job falls due; a day if there is none
   */
  record Next(long nowMicros, Duration untilNext) {}

  /**
   * @param from in microseconds since 1970
   */
  Next next(Connection connection, long from) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(readNext)) {
      PgDriver.planEachTime(select);
      select.setLong(1, from);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        long millis = row.getLong(2);
        return new Next(
            row.getLong(1),
            row.wasNull() ? Duration.ofDays(1) : Duration.ofMillis(Math.max(1, millis)));
      }
    }
  }
}
