package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements on the table of runs, {@code {0}}. */
final class RunSql {
  private static final String FIND =
      """
      SELECT * FROM {0} WHERE id = {1}\
      """;

  /**
   * What a range leaves behind may be lost with the server: the next call looks again. {2}: whether
   * one process is to do.
   */
  private static final String BEGIN_RANGE =
      """
      SELECT candidates - not_kept AS kept, set_config('synchronous_commit', 'off', true),
             CASE WHEN {2} THEN set_config('max_parallel_workers_per_gather', '0', true) END
        FROM {0} WHERE id = {1}\
      """;

  private static final String OPEN =
      """
      INSERT INTO {0} (declaration, version, mode, changed_from, changed_until, next_from, capture_id,
                       rows_in_scope)
      VALUES ({1}, {2}, {3}, {4}, {5}, {6}, {7}, {8})
      ON CONFLICT (declaration) WHERE finished_at IS NULL DO NOTHING
      RETURNING *\
      """;

  private static final String SCANNED =
      """
      UPDATE {0} SET scanned_at = clock_timestamp() WHERE id = {1} AND scanned_at IS NULL\
      """;

  /** Only of a run that nobody has begun to look for. {1}: its id */
  private static final String LOCK_UNTOUCHED =
      """
      SELECT id FROM {0}
       WHERE id = {1} AND finished_at IS NULL AND scanned_at IS NULL
         AND rows_checked = 0 AND rows_skipped = 0
         FOR NO KEY UPDATE SKIP LOCKED\
      """;

  /**
   * Ends the run as well if nothing is open: there is nothing to confirm then. {6}: findings, {7}:
   * the declaration.
   */
  private static final String COUNT_WHOLE =
      """
      UPDATE {0} AS run
         SET rows_checked = {2}, rows_skipped = {3}, candidates = {4}, not_kept = {5},
             scanned_at = clock_timestamp(),
             finished_at = CASE WHEN is_clean THEN clock_timestamp() END,
             outcome = CASE WHEN is_clean THEN 'CLEAN' END
        FROM (SELECT {5} = 0 AND NOT EXISTS (
                SELECT FROM {6} WHERE declaration = {7} AND state IN ('CANDIDATE', 'CONFIRMED')) AS is_clean) AS seen
       WHERE id = {1}
      RETURNING run.*\
      """;

  private static final String LOCK_DELETES =
      """
      SELECT deletes_after FROM {0}
       WHERE id = {1} AND finished_at IS NULL AND scanned_at IS NULL FOR NO KEY UPDATE\
      """;

  private static final String PASS_DELETES =
      """
      UPDATE {0} SET deletes_after = {2} WHERE id = {1}\
      """;

  private static final String COUNT_RANGE =
      """
      UPDATE {0}
         SET rows_checked = rows_checked + {2}, rows_skipped = rows_skipped + {3},
             candidates = candidates + {4}, not_kept = not_kept + {5}
       WHERE id = {1} AND finished_at IS NULL AND scanned_at IS NULL\
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

  /**
   * A run that is open is gone on with, one that was not whole is tried again earlier. {1}: names,
   * {2}: milliseconds.
   */
  private static final String LIST_DUE =
      """
      SELECT d.name
        FROM unnest(cast({1} AS text[])) WITH ORDINALITY AS d(name, place)
        LEFT JOIN LATERAL (
          SELECT r.outcome, r.started_at FROM {0} AS r
           WHERE r.declaration = d.name ORDER BY r.started_at DESC LIMIT 1) AS last ON true
       WHERE last.outcome IS NULL
          OR last.started_at <= clock_timestamp() - {2} * interval '1 millisecond'
                                / CASE WHEN last.outcome = 'INCOMPLETE' THEN 10 ELSE 1 END
       ORDER BY d.place\
      """;

  private final Table<?> table;

  RunSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "reconcile_run"));
  }

  /** A run as it stands. */
  record Run(
      long id,
      String version,
      DeclarationReport.Mode mode,
      @Nullable Instant startedAt,
      @Nullable Instant changedFrom,
      @Nullable Instant changedUntil,
      boolean isScanned,
      boolean isFinished,
      @Nullable Long estimated,
      long checked,
      long skipped,
      long candidates,
      long notKept,
      long confirmed,
      long resolved) {
    static final Run NONE =
        new Run(
            0,
            "",
            DeclarationReport.Mode.FULL,
            null,
            null,
            null,
            false,
            false,
            null,
            0,
            0,
            0,
            0,
            0,
            0);

    long kept() {
      return candidates - notKept;
    }

    /** Null for every row. */
    WalkSql.@Nullable Span span() {
      return changedFrom == null || changedUntil == null
          ? null
          : new WalkSql.Span(changedFrom, changedUntil);
    }

    /** Whether it was one over every row, of which no more is to be kept. */
    boolean isWholeAndFull() {
      return isScanned && notKept == 0 && mode == DeclarationReport.Mode.FULL;
    }

    boolean isUntouched() {
      return !isScanned && checked + skipped == 0;
    }
  }

  Run find(DSLContext dsl, long id) {
    return dsl.resultQuery(FIND, table, val(id))
        .fetchOptional(RunSql::run)
        .orElseThrow(
            () ->
                new PgBelayException(
                    "run %d is not there any more: a crash of the server took it back, or somebody deleted it"
                        .formatted(id)));
  }

  /** How many candidates were kept, at the begin of the transaction of a range. */
  long kept(DSLContext dsl, long id, boolean besideOthers) {
    return dsl.resultQuery(BEGIN_RANGE, table, val(id), DSL.inline(besideOthers))
        .fetchSingle()
        .get("kept", Long.class);
  }

  /** Those whose next run should begin by now, or go on. */
  List<String> due(DSLContext dsl, List<String> declarations, Duration every) {
    return dsl.resultQuery(
            LIST_DUE, table, val(declarations.toArray(String[]::new)), val(every.toMillis()))
        .fetch()
        .getValues(0, String.class);
  }

  /** Empty if another one is open. */
  Optional<Run> open(
      DSLContext dsl,
      String declaration,
      String version,
      Beginning beginning,
      @Nullable Long estimated) {
    boolean all = beginning.from().isEmpty();
    return dsl.resultQuery(
            OPEN,
            table,
            val(declaration),
            val(version),
            val((all ? DeclarationReport.Mode.FULL : DeclarationReport.Mode.INCREMENTAL).name()),
            time(beginning.from().orElse(null)),
            time(all ? null : beginning.until()),
            time(beginning.nextFrom()),
            val(beginning.captureId(), SQLDataType.BIGINT),
            val(estimated, SQLDataType.BIGINT))
        .fetchOptional(RunSql::run);
  }

  private static Field<?> time(@Nullable Instant at) {
    return val(at, SQLDataType.INSTANT).cast(SQLDataType.TIMESTAMPWITHTIMEZONE);
  }

  void scanned(DSLContext dsl, long id) {
    dsl.query(SCANNED, table, val(id)).execute();
  }

  /** Whether the run is open, nothing of it has been looked at, and nobody is about to. */
  boolean lockUntouched(DSLContext dsl, long id) {
    return dsl.resultQuery(LOCK_UNTOUCHED, table, val(id)).fetchOptional().isPresent();
  }

  /** Everything that the locked run is about has been looked at; the run as it is then. */
  Run countWhole(DSLContext dsl, long id, FindingSql findings, FindingSql.Range whole, long kept) {
    return dsl.resultQuery(
            COUNT_WHOLE,
            table,
            val(id),
            val(whole.checked()),
            val(whole.skipped()),
            val(whole.wrong()),
            val(whole.wrong() - kept),
            findings.table(),
            findings.declaration())
        .fetchSingle(RunSql::run);
  }

  /** How far the run came through the deletes, locked; empty if it is over. */
  Optional<Long> lockDeletes(DSLContext dsl, long id) {
    return dsl.resultQuery(LOCK_DELETES, table, val(id)).fetchOptional(0, Long.class);
  }

  void passDeletes(DSLContext dsl, long id, long upTo) {
    dsl.query(PASS_DELETES, table, val(id), val(upTo)).execute();
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

  static Run run(Record row) {
    return new Run(
        row.get("id", Long.class),
        row.get("version", String.class),
        DeclarationReport.Mode.valueOf(row.get("mode", String.class)),
        row.get("started_at", Instant.class),
        row.get("changed_from", Instant.class),
        row.get("changed_until", Instant.class),
        row.get("scanned_at") != null,
        row.get("finished_at") != null,
        row.get("rows_in_scope", Long.class),
        row.get("rows_checked", Long.class),
        row.get("rows_skipped", Long.class),
        row.get("candidates", Long.class),
        row.get("not_kept", Long.class),
        row.get("confirmed", Long.class),
        row.get("resolved", Long.class));
  }
}
