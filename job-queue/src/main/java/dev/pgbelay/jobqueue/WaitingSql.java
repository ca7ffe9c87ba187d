package dev.pgbelay.jobqueue;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/**
 * The statements that change jobs which wait. A slot that they leave goes to the next of the key.
 */
class WaitingSql {
  /** Binds id, reason, id. */
  private static final String CANCEL =
      """
      WITH gone AS (
        DELETE FROM <job> WHERE id = ? AND state <> 'running'
        RETURNING id, attempt, queue, kind, tags, partition_key, key_slot),
      kept AS (
        INSERT INTO <finished> (id, finished_at, finished_day, attempt, outcome, queue, kind, reason,
                                tags)
        SELECT id, clock_timestamp(),
               CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer),
               attempt, 'cancelled', queue, kind, ?, tags
          FROM gone),
      <handoff>
      SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 'DONE'
                  WHEN EXISTS (SELECT FROM <job> WHERE id = ?) THEN 'RUNNING'
                  ELSE 'NOT_FOUND' END\
      """;

  /** Binds microseconds, id, id. A job that waits for later leaves its key to others. */
  private static final String RESCHEDULE =
      """
      WITH due AS MATERIALIZED (
        SELECT to_timestamp(0) + CAST(? AS bigint) * interval '1 microsecond' AS at,
               clock_timestamp() AS now),
      before AS MATERIALIZED (
        SELECT j.id, j.key_slot FROM <job> AS j
         WHERE j.id = ? AND j.state <> 'running'
           FOR NO KEY UPDATE OF j),
      moved AS (
        UPDATE <job> AS j
           SET state = CASE WHEN due.at > due.now THEN 'scheduled'
                            WHEN j.partition_key IS NULL OR j.key_slot > 0 THEN 'ready'
                            ELSE 'arriving' END,
               run_at = CASE WHEN due.at > due.now THEN due.at
                             WHEN j.partition_key IS NULL OR j.key_slot > 0 THEN NULL
                             ELSE 'infinity' END,
               key_slot = CASE WHEN due.at > due.now OR j.partition_key IS NULL THEN NULL
                               WHEN j.key_slot > 0 THEN j.key_slot
                               ELSE -1 END,
               place = CAST(extract(epoch FROM due.at) * 1000000 AS bigint)
                         - 1000000 * CAST(j.priority AS bigint)
          FROM due, before
         WHERE j.id = before.id
        RETURNING j.id, j.queue, j.partition_key,
                  CASE WHEN j.key_slot > 0 THEN NULL ELSE before.key_slot END AS key_slot),
      <handoff>
      SELECT CASE WHEN EXISTS (SELECT FROM moved) THEN 'DONE'
                  WHEN EXISTS (SELECT FROM <job> WHERE id = ?) THEN 'RUNNING'
                  ELSE 'NOT_FOUND' END\
      """;

  private final String cancel;
  private final String reschedule;

  WaitingSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.cancel =
        tables.fill(CANCEL.replace("<handoff>", KeySql.HANDOFF.replace("<left>", "gone")));
    this.reschedule =
        tables.fill(RESCHEDULE.replace("<handoff>", KeySql.HANDOFF.replace("<left>", "moved")));
  }

  JobQueue.Change cancel(Connection connection, long id, String reason) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(cancel)) {
      delete.setLong(1, id);
      delete.setString(2, reason);
      delete.setLong(3, id);
      return change(delete);
    }
  }

  JobQueue.Change reschedule(Connection connection, long id, Instant at) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(reschedule)) {
      update.setLong(1, ChronoUnit.MICROS.between(Instant.EPOCH, at));
      update.setLong(2, id);
      update.setLong(3, id);
      return change(update);
    }
  }

  private static JobQueue.Change change(PreparedStatement statement) throws SQLException {
    try (ResultSet row = statement.executeQuery()) {
      row.next();
      return JobQueue.Change.valueOf(row.getString(1));
    }
  }
}
