package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.SettleSql.Pair;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** The statement about jobs that have failed for good, and become dead letters. */
final class BurySql {
  /** Binds idle milliseconds, ids, numbers, reasons, node, claimant. */
  private static final String BURY =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      given AS MATERIALIZED (
        SELECT g.*
          FROM bounds, unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS text[]))
                         AS g(id, number, reason)),
      node AS MATERIALIZED (SELECT CAST(? AS text) AS name),
      changed AS (
        DELETE FROM <job> AS j USING given
         WHERE j.id = given.id <fence>
        RETURNING j.*, given.reason),
      kept AS (
        INSERT INTO <dead> (id, enqueued_at, attempt, max_attempts, priority, queue, kind, reason,
                          deadline_ms, partition_key, tags, headers, failures, payload)
        SELECT id, enqueued_at, attempt, max_attempts, priority, queue, kind, reason,
               deadline_ms, partition_key, tags, headers,
               failures[greatest(1, cardinality(failures) - 6):]
                 || concat_ws(chr(9), attempt, <now as text>, node.name, reason),
               payload
          FROM changed, node),
      forgotten AS (
        DELETE FROM <cancel> AS c USING changed WHERE c.job_id = changed.id)<handoff>
      """
          + SettleSql.NOT_FOUND;

  private final Pair statements;
  private final Duration idle;

  BurySql(TablesSql tables, Duration idle, String fence) {
    this.idle = idle;
    this.statements =
        Pair.of(tables, BURY.replace("<fence>", fence.replace("<number>", "given.number")));
  }

  Map<Long, Boolean> write(
      Connection connection, UUID claimant, String node, List<Settlement> settlements)
      throws SQLException {
    try (PreparedStatement delete = statements.prepare(connection, settlements)) {
      int next = SettleSql.bindKeys(connection, delete, settlements, idle);
      delete.setArray(next++, connection.createArrayOf("text", SettleSql.reasons(settlements)));
      delete.setString(next++, node);
      delete.setObject(next, claimant);
      return SettleSql.notFound(delete);
    }
  }
}
