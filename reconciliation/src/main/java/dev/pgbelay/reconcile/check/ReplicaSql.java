package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.CommitPosition;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;

/** How far a replica has replayed. */
final class ReplicaSql {
  /** The position first: what was replayed before the timeline was asked for belongs to it. */
  private static final String REPLAYED =
      """
      WITH position AS MATERIALIZED (
        SELECT pg_is_in_recovery() AS in_recovery,
               CASE WHEN pg_is_in_recovery()
                    THEN cast(pg_last_wal_replay_lsn() - '0/0' AS bigint) END AS lsn)
      SELECT in_recovery, lsn, (SELECT system_identifier FROM pg_control_system()) AS cluster,
             greatest((SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                      (SELECT timeline_id FROM pg_control_checkpoint())) AS timeline
        FROM position\
      """;

  /** Its commit makes the log be written out up to there, which uncommitted writes alone do not. */
  private static final String WRITE_LOG =
      "SELECT cast(cast(pg_current_xact_id() AS text) AS bigint)";

  private ReplicaSql() {}

  static long writeLog(DSLContext dsl) {
    return dsl.resultQuery(WRITE_LOG).fetchSingle().get(0, Long.class);
  }

  /** Empty where the node is not in recovery. */
  static Optional<CommitPosition> replayed(DSLContext dsl) {
    Record row = dsl.resultQuery(REPLAYED).fetchSingle();
    Long lsn = row.get("lsn", Long.class);
    return lsn == null
        ? Optional.empty()
        : Optional.of(
            new CommitPosition(
                row.get("cluster", Long.class), row.get("timeline", Integer.class), lsn));
  }
}
