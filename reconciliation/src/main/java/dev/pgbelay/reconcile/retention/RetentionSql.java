package dev.pgbelay.reconcile.retention;

import org.jooq.Condition;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** What may go, of rows that are old enough. */
final class RetentionSql {
  /**
   * {0}: runs. One that is open has not ended and so no age. The last whole run of each kind says
   * when a declaration was checked; where there is none since, the first run says how long ago that
   * should have been, and the last one that has looked at everything where the next one begins.
   */
  private static final String RUN_IS_OF_NO_USE =
      """
      reconcile_run.finished_at IS NOT NULL
      AND (EXISTS (
             SELECT FROM {0} AS later
              WHERE later.declaration = reconcile_run.declaration AND later.version = reconcile_run.version
                AND later.mode = reconcile_run.mode AND later.id > reconcile_run.id
                AND later.outcome IN ('CLEAN', 'FINDINGS'))
           OR (reconcile_run.outcome = 'INCOMPLETE'
               AND EXISTS (
                     SELECT FROM {0} AS earlier
                      WHERE earlier.declaration = reconcile_run.declaration
                        AND earlier.version = reconcile_run.version
                        AND earlier.mode = reconcile_run.mode AND earlier.id < reconcile_run.id)
               AND EXISTS (
                     SELECT FROM {0} AS later
                      WHERE later.declaration = reconcile_run.declaration
                        AND later.version = reconcile_run.version
                        AND later.mode = reconcile_run.mode AND later.id > reconcile_run.id
                        AND (reconcile_run.scanned_at IS NULL
                             OR (later.scanned_at IS NOT NULL AND later.not_kept = 0)))))\
      """;

  private static final String FINDING_IS_CLOSED =
      """
      reconcile_finding.state IN ('REPAIRED', 'RESOLVED')\
      """;

  /** {0}: captured deletes. One that is not done yet may be looked at, and undone, as a whole. */
  private static final String UNDO_IS_OF_NOTHING_OPEN =
      """
      NOT EXISTS (SELECT FROM {0} AS open WHERE open.batch = reconcile_undo.batch)\
      """;

  private RetentionSql() {}

  static Condition runIsOfNoUse(Table<?> runs) {
    return DSL.condition(RUN_IS_OF_NO_USE, runs);
  }

  static Condition findingIsClosed() {
    return DSL.condition(FINDING_IS_CLOSED);
  }

  static Condition undoIsOfNothingOpen(Table<?> deleted) {
    return DSL.condition(UNDO_IS_OF_NOTHING_OPEN, deleted);
  }
}
