package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.val;

import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements on the table of runs, {@code {0}}. */
final class RunSql {
  private static final String FIND_OPEN =
      """
      SELECT * FROM {0} WHERE declaration = {1} AND finished_at IS NULL\
      """;

  private static final String FIND =
      """
      SELECT * FROM {0} WHERE id = {1}\
      """;

  private static final String OPEN =
      """
      INSERT INTO {0} (declaration, version, mode) VALUES ({1}, {2}, 'FULL')
      ON CONFLICT (declaration) WHERE finished_at IS NULL DO NOTHING\
      """;

  private static final String COUNT_RANGE =
      """
      UPDATE {0}
         SET rows_checked = rows_checked + {2}, rows_skipped = rows_skipped + {3},
             candidates = candidates + {4}, not_kept = not_kept + {5}
       WHERE id = {1} AND finished_at IS NULL\
      """;

  private static final String COUNT_CONFIRMATION =
      """
      UPDATE {0}
         SET confirmed = confirmed + {2}, resolved = resolved + {3}
       WHERE id = {1} AND finished_at IS NULL\
      """;

  private static final String CLOSE =
      """
      UPDATE {0}
         SET finished_at = clock_timestamp(), outcome = {2}, reason = {3}, unsettled = {4}
       WHERE id = {1} AND finished_at IS NULL\
      """;

  private final Table<?> table;

  RunSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "reconcile_run"));
  }

  /** A run as it stands. */
  record Run(
      long id,
      String version,
      long checked,
      long skipped,
      long candidates,
      long notKept,
      long confirmed,
      long resolved) {
    long kept() {
      return candidates - notKept;
    }
  }

  Optional<Run> findOpen(DSLContext dsl, String declaration) {
    return dsl.resultQuery(FIND_OPEN, table, val(declaration)).fetchOptional(RunSql::run);
  }

  Run find(DSLContext dsl, long id) {
    return dsl.resultQuery(FIND, table, val(id)).fetchSingle(RunSql::run);
  }

  void open(DSLContext dsl, String declaration, String version) {
    dsl.query(OPEN, table, val(declaration), val(version)).execute();
  }

  /** Whether the run is still open. */
  boolean countRange(DSLContext dsl, long id, FindingSql.Range range, long kept) {
    return dsl.query(
                COUNT_RANGE,
                table,
                val(id),
                val(range.checked()),
                val(range.skipped()),
                val(range.wrong()),
                val(range.wrong() - kept))
            .execute()
        == 1;
  }

  void countConfirmation(DSLContext dsl, long id, long confirmed, long resolved) {
    dsl.query(COUNT_CONFIRMATION, table, val(id), val(confirmed), val(resolved)).execute();
  }

  /** Whether it was open until now. */
  boolean close(
      DSLContext dsl,
      long id,
      DeclarationReport.Outcome outcome,
      @Nullable String reason,
      long unsettled) {
    return dsl.query(
                CLOSE,
                table,
                val(id),
                val(outcome.name()),
                val(reason, SQLDataType.CLOB),
                val(unsettled))
            .execute()
        == 1;
  }

  private static Run run(Record row) {
    return new Run(
        row.get("id", Long.class),
        row.get("version", String.class),
        row.get("rows_checked", Long.class),
        row.get("rows_skipped", Long.class),
        row.get("candidates", Long.class),
        row.get("not_kept", Long.class),
        row.get("confirmed", Long.class),
        row.get("resolved", Long.class));
  }
}
