package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;

/** The statements that make jobs ready when their time has come. */
class PromoteSql {
  /** Binds limit. */
  private static final String PROMOTE =
      """
      WITH due AS MATERIALIZED (
        SELECT j.id FROM <job> AS j
         WHERE j.run_at <= clock_timestamp()
         ORDER BY j.run_at
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

  private static final String MILLIS_TO_NEXT =
      """
      SELECT CAST(extract(epoch FROM j.run_at - clock_timestamp()) * 1000 AS bigint)
        FROM <job> AS j
       WHERE j.run_at < 'infinity'
       ORDER BY j.run_at
       LIMIT 1\
      """;

  private final String promote;
  private final String millisToNext;

  PromoteSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.promote = tables.fill(PROMOTE);
    this.millisToNext = tables.fill(MILLIS_TO_NEXT);
  }

  int promote(Connection connection, int limit) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(promote)) {
      PgDriver.planEachTime(update);
      update.setInt(1, limit);
      return update.executeUpdate();
    }
  }

  /** Until the next scheduled job falls due; a day if there is none. */
  Duration untilNext(Connection connection) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(millisToNext);
        ResultSet row = select.executeQuery()) {
      return row.next() ? Duration.ofMillis(Math.max(1, row.getLong(1))) : Duration.ofDays(1);
    }
  }
}
