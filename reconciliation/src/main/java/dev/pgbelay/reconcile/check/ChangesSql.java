package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CaptureName;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** What incremental runs must know: of earlier runs, {@code {0}}, and of who writes just now. */
final class ChangesSql {
  /**
   * All that a run's beginning is decided by, of one moment. {0}: runs, {1}: the declaration, {2}:
   * its version, {3}: milliseconds after which a full run is due, {4}: the parent, {5}: how the
   * triggers' names begin, {6}: whether all of the parent is gone, for those who may read deletes.
   *
   * <p>Whoever begins at the same time is turned away, rather than kept waiting for a run that he
   * may not see before it has ended. {7}: what this lock is told from others by.
   *
   * <p>A prepared transaction does not tell when it began, and a session that this role may not see
   * does not either. Now is before anybody is looked at: who began later is not among them.
   *
   * <p>A trigger's row is another one after it was created again, disabled or enabled, and
   * partitions have rows of their own. No number unless deletes and updates of keys are captured.
   */
  private static final String FACTS =
      """
      SELECT statement_timestamp() AS now,
             (SELECT min(a.xact_start) FROM pg_stat_activity a
               WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
                 AND a.backend_type IS DISTINCT FROM 'autovacuum worker') AS oldest_began,
             NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
             AND NOT EXISTS (
               SELECT FROM pg_locks l JOIN pg_stat_activity h ON h.pid = l.pid
                WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid()
                  AND h.datname = current_database() AND (h.state IS NULL OR h.state = 'disabled')) AS oldest_known,
             latest.id AS latest_id, latest.next_from AS latest_next_from, latest.capture_id AS latest_capture,
             whole.started_at AS full_started_at,
             whole.started_at <= clock_timestamp() - {3} * interval '1 millisecond' AS full_is_due,
             (SELECT CASE WHEN bool_and(tgenabled IN ('O', 'A')) AND bool_or(tgname = {5} || '_delete') AND bool_or(tgname = {5} || '_update')
                          THEN hashtextextended(string_agg(oid || ':' || xmin, ',' ORDER BY oid), 0) END
                FROM pg_trigger
               WHERE tgname IN ({5} || '_delete', {5} || '_update', {5} || '_truncate')
                 AND (tgrelid = to_regclass({4})
                      OR tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass({4}))))) AS capture,
             {6} AS is_truncated,
             pg_try_advisory_xact_lock(hashtextextended({7} || {1}, 0)) AS is_alone,
             open.*
        FROM (SELECT) AS one
        LEFT JOIN LATERAL (
          SELECT id, next_from, capture_id FROM {0}
           WHERE declaration = {1} AND version = {2} AND scanned_at IS NOT NULL AND not_kept = 0
           ORDER BY id DESC LIMIT 1) AS latest ON true
        LEFT JOIN LATERAL (
          SELECT started_at FROM {0}
           WHERE declaration = {1} AND version = {2} AND scanned_at IS NOT NULL AND not_kept = 0 AND mode = 'FULL'
           ORDER BY id DESC LIMIT 1) AS whole ON true
        LEFT JOIN {0} AS open ON open.declaration = {1} AND open.finished_at IS NULL\
      """;

  private static final String IS_TRUNCATED =
      """
      EXISTS (SELECT FROM {0} WHERE reference = {1} AND parent_key IS NULL)\
      """;

  /** {0}: runs, {1}: the run, {2}: captured deletes, {3}: the reference, {4}: how many */
  private static final String LOCK_UNTOUCHED_WITH_DELETES =
      """
      SELECT d.id, d.parent_key
        FROM (SELECT id FROM {0}
               WHERE id = {1} AND finished_at IS NULL AND scanned_at IS NULL
                 AND rows_checked = 0 AND rows_skipped = 0
                 FOR NO KEY UPDATE SKIP LOCKED) AS run
        LEFT JOIN LATERAL (
          SELECT id, parent_key FROM {2}
           WHERE reference = {3} AND parent_key IS NOT NULL ORDER BY id LIMIT {4}) AS d ON true\
      """;

  private static final String DELETES =
      """
      SELECT id, parent_key FROM {0}
       WHERE reference = {1} AND parent_key IS NOT NULL AND id > {2} ORDER BY id LIMIT {3}\
      """;

  private final Table<?> runs;
  private final Table<?> deleted;
  private final String lock;

  ChangesSql(String schema) {
    this.runs = DSL.table(DSL.name(schema, "reconcile_run"));
    this.deleted = DSL.table(DSL.name(schema, "reconcile_deleted"));
    this.lock = schema + ".reconcile_run:";
  }

  /**
   * What is known before a run begins.
   *
   * @param began when the oldest transaction did; null if there is none
   * @param isKnown whether every transaction tells that
   * @param capture another number whenever somebody could delete a parent unseen; null where he can
   * @param isAlone whether nobody else is at the beginning of a run, to the end of this transaction
   * @param open the run that is to be gone on with
   */
  record Facts(
      Instant now,
      @Nullable Instant began,
      boolean isKnown,
      Optional<Latest> latest,
      Optional<Full> full,
      @Nullable Long capture,
      boolean isTruncated,
      boolean isAlone,
      Optional<RunSql.Run> open) {}

  /** Where the last whole run left off. */
  record Latest(@Nullable Instant nextFrom, @Nullable Long captureId) {}

  /** The last run over every row. */
  record Full(Instant startedAt, boolean isDue) {}

  /** One parent that went. */
  record Deleted(long id, JSONB parentKey) {}

  /**
   * @param every how old the last full run may get; empty where every run is to be one
   */
  Facts facts(DSLContext dsl, Declaration declaration, String version, Optional<Duration> every) {
    boolean mayBeIncremental = every.isPresent() && declaration.changedAt().isPresent();
    Reference reference = declaration instanceof Reference known ? known : null;
    Record row =
        dsl.resultQuery(
                FACTS,
                runs,
                val(declaration.name()),
                val(version),
                val(every.map(Duration::toMillis).orElse(0L)),
                val(reference == null ? null : dsl.render(reference.parent()), SQLDataType.CLOB),
                val(reference == null ? "" : CaptureName.trigger(reference)),
                reference != null && mayBeIncremental
                    ? DSL.condition(IS_TRUNCATED, deleted, val(reference.name()))
                    : DSL.falseCondition(),
                val(lock))
            .fetchSingle();
    Instant fullStartedAt = row.get("full_started_at", Instant.class);
    return new Facts(
        row.get("now", Instant.class),
        row.get("oldest_began", Instant.class),
        row.get("oldest_known", Boolean.class),
        row.get("latest_id") == null
            ? Optional.empty()
            : Optional.of(
                new Latest(
                    row.get("latest_next_from", Instant.class),
                    row.get("latest_capture", Long.class))),
        fullStartedAt == null
            ? Optional.empty()
            : Optional.of(new Full(fullStartedAt, row.get("full_is_due", Boolean.class))),
        row.get("capture", Long.class),
        row.get("is_truncated", Boolean.class),
        row.get("is_alone", Boolean.class),
        row.get("id") == null ? Optional.empty() : Optional.of(RunSql.run(row)));
  }

  /**
   * Locks a run of which nobody has looked at anything yet, as {@link RunSql#lockUntouched} does,
   * and reads the first captured deletes.
   *
   * @return empty if it is not, or somebody else is about to
   */
  Optional<List<Deleted>> lockUntouchedWithDeletes(
      DSLContext dsl, long run, Reference reference, int most) {
    Result<Record> rows =
        dsl.resultQuery(
                LOCK_UNTOUCHED_WITH_DELETES,
                runs,
                val(run),
                deleted,
                val(reference.name()),
                DSL.inline(most))
            .fetch();
    return rows.isEmpty()
        ? Optional.empty()
        : Optional.of(
            rows.stream().filter(row -> row.get("id") != null).map(ChangesSql::deleted).toList());
  }

  List<Deleted> deletes(DSLContext dsl, Reference reference, long after, int most) {
    return dsl.resultQuery(DELETES, deleted, val(reference.name()), val(after), DSL.inline(most))
        .fetch(ChangesSql::deleted);
  }

  private static Deleted deleted(Record row) {
    return new Deleted(row.get("id", Long.class), row.get("parent_key", JSONB.class));
  }
}
