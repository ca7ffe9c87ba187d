package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.SettleSql.Pair;
import dev.pgbelay.jobqueue.Settlement.Fate;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** The statement about jobs that wait again: retried, snoozed, handed back. */
final class PutBackSql {
  /**
   * Binds idle milliseconds, ids, numbers, delays in microseconds, whether the attempt counts,
   * reasons, node, claimant.
   */
  private static final String PUT_BACK =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      given AS MATERIALIZED (
        SELECT g.*, clock_timestamp() + g.delay * interval '1 microsecond' AS due
          FROM bounds,
               unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]),
                      CAST(? AS boolean[]), CAST(? AS text[]))
                 AS g(id, number, delay, counts, reason)),
      node AS MATERIALIZED (SELECT CAST(? AS text) AS name),
      changed AS (
        UPDATE <job> AS j
           SET state = CASE WHEN given.delay > 0 THEN 'scheduled' ELSE 'ready' END,
               run_at = CASE WHEN given.delay > 0 THEN given.due END,
               place = CASE WHEN given.delay IS NULL THEN j.place
                            ELSE CAST(extract(epoch FROM given.due) * 1000000 AS bigint)
                                 - 1000000 * CAST(j.priority AS bigint) END,
               attempt = j.attempt - CASE WHEN given.counts THEN 0 ELSE 1 END,
               claimant = NULL, claim_number = NULL,
               failures = CASE WHEN given.reason IS NULL THEN j.failures ELSE
                 j.failures[greatest(1, cardinality(j.failures) - 6):]
                 || concat_ws(chr(9), j.attempt, <now as text>, node.name, given.reason) END<slot kept>
          FROM given, node<slot before>
         WHERE j.id = given.id <fence>
        RETURNING j.id<slot left>)<handoff>
      """
          + SettleSql.NOT_FOUND;

  /** Where a key has a limit of several there is no order to keep: what waits leaves its slot. */
  private static final String SLOT_KEPT =
      ", key_slot = CASE WHEN given.delay > 0 AND slot.key_limit > 1 THEN NULL ELSE j.key_slot END";

  private static final String SLOT_BEFORE =
      """
      , LATERAL (
            SELECT b.key_slot, coalesce(c.key_limit, 1) AS key_limit
              FROM <job> AS b
                   LEFT JOIN <control> AS c ON c.scope = 'queue' AND c.name = b.queue
             WHERE b.id = given.id) AS slot""";

  private static final String SLOT_LEFT =
      """
      , j.queue, j.partition_key,
                  CASE WHEN j.key_slot IS NULL THEN slot.key_slot END AS key_slot""";

  private final Pair statements;
  private final Duration idle;

  PutBackSql(TablesSql tables, Duration idle, String fence) {
    this.idle = idle;
    this.statements =
        Pair.of(
            tables,
            PUT_BACK.replace("<fence>", fence.replace("<number>", "given.number")),
            sql ->
                sql.replace("<slot kept>", SLOT_KEPT)
                    .replace("<slot before>", SLOT_BEFORE)
                    .replace("<slot left>", SLOT_LEFT));
  }

  Map<Long, Boolean> write(
      Connection connection, Fate fate, UUID claimant, String node, List<Settlement> settlements)
      throws SQLException {
    @Nullable Object[] delays =
        settlements.stream()
            .map(Settlement::delay)
            .map(delay -> delay == null ? null : micros(delay))
            .toArray();
    @Nullable Object[] counts = settlements.stream().map(one -> fate == Fate.RETRIED).toArray();
    try (PreparedStatement update = statements.prepare(connection, settlements)) {
      int next = SettleSql.bindKeys(connection, update, settlements, idle);
      update.setArray(next++, connection.createArrayOf("bigint", delays));
      update.setArray(next++, connection.createArrayOf("boolean", counts));
      update.setArray(next++, connection.createArrayOf("text", SettleSql.reasons(settlements)));
      update.setString(next++, node);
      update.setObject(next, claimant);
      return SettleSql.notFound(update);
    }
  }

  private static Long micros(Duration delay) {
    return delay.toNanos() / 1_000;
  }
}
