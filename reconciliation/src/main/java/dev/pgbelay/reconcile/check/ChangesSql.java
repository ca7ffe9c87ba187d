package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CaptureName;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** What incremental runs must know: of earlier runs, {@code {0}}, and of who writes just now. */
final class ChangesSql {
  /**
   * A prepared transaction does not tell when it began, and a session that this role may not see
   * does not either. Now is before anybody is looked at: who began later is not among them.
   */
  private static final String OLDEST =
      """
      SELECT statement_timestamp() AS now, min(a.xact_start) AS began,
             NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
             AND NOT EXISTS (
               SELECT FROM pg_locks l JOIN pg_stat_activity h ON h.pid = l.pid
                WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid()
                  AND h.datname = current_database() AND (h.state IS NULL OR h.state = 'disabled')) AS is_known
        FROM pg_stat_activity a
       WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
         AND a.backend_type IS DISTINCT FROM 'autovacuum worker'\
      """;

  private static final String LATEST =
      """
      SELECT next_from, capture_id FROM {0}
       WHERE declaration = {1} AND version = {2} AND scanned_at IS NOT NULL AND not_kept = 0
       ORDER BY id DESC LIMIT 1\
      """;

  private static final String LATEST_FULL =
      """
      SELECT started_at, started_at <= clock_timestamp() - {3} * interval '1 millisecond' AS is_due FROM {0}
       WHERE declaration = {1} AND version = {2} AND scanned_at IS NOT NULL AND not_kept = 0 AND mode = 'FULL'
       ORDER BY id DESC LIMIT 1\
      """;

  /**
   * A trigger's row is another one after it was created again, disabled or enabled, and partitions
   * have rows of their own. Nothing unless deletes and updates of keys are captured. {1}: how the
   * triggers' names begin
   */
  private static final String CAPTURE =
      """
      SELECT CASE WHEN bool_and(tgenabled IN ('O', 'A')) AND bool_or(tgname = {1} || '_delete') AND bool_or(tgname = {1} || '_update')
                  THEN hashtextextended(string_agg(oid || ':' || xmin, ',' ORDER BY oid), 0) END
        FROM pg_trigger
       WHERE tgname IN ({1} || '_delete', {1} || '_update', {1} || '_truncate')
         AND (tgrelid = to_regclass({0})
              OR tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass({0}))))\
      """;

  private static final String IS_TRUNCATED =
      """
      SELECT EXISTS (SELECT FROM {0} WHERE reference = {1} AND parent_key IS NULL)\
      """;

  private static final String DELETES =
      """
      SELECT id, parent_key FROM {0}
       WHERE reference = {1} AND parent_key IS NOT NULL AND id > {2} ORDER BY id LIMIT {3}\
      """;

  private final Table<?> runs;
  private final Table<?> deleted;

  ChangesSql(String schema) {
    this.runs = DSL.table(DSL.name(schema, "reconcile_run"));
    this.deleted = DSL.table(DSL.name(schema, "reconcile_deleted"));
  }

  /** When the oldest transaction began; null if there is none. */
  record Oldest(Instant now, @Nullable Instant began, boolean isKnown) {}

  /** Where the last whole run left off. */
  record Latest(@Nullable Instant nextFrom, @Nullable Long captureId) {}

  /** The last run over every row. */
  record Full(Instant startedAt, boolean isDue) {}

  /** One parent that went. */
  record Deleted(long id, JSONB parentKey) {}

  static Oldest oldest(DSLContext dsl) {
    Record row = dsl.resultQuery(OLDEST).fetchSingle();
    return new Oldest(
        row.get("now", Instant.class),
        row.get("began", Instant.class),
        row.get("is_known", Boolean.class));
  }

  Optional<Latest> latest(DSLContext dsl, Declaration declaration, String version) {
    return dsl.resultQuery(LATEST, runs, val(declaration.name()), val(version))
        .fetchOptional(
            row ->
                new Latest(row.get("next_from", Instant.class), row.get("capture_id", Long.class)));
  }

  Optional<Full> latestFull(
      DSLContext dsl, Declaration declaration, String version, long everyMillis) {
    return dsl.resultQuery(
            LATEST_FULL, runs, val(declaration.name()), val(version), val(everyMillis))
        .fetchOptional(
            row ->
                new Full(row.get("started_at", Instant.class), row.get("is_due", Boolean.class)));
  }

  /** Another number whenever somebody could delete a parent unseen; null where he can. */
  static @Nullable Long capture(DSLContext dsl, Reference reference) {
    return dsl.resultQuery(
            CAPTURE, val(dsl.render(reference.parent())), val(CaptureName.trigger(reference)))
        .fetchSingle()
        .get(0, Long.class);
  }

  boolean isTruncated(DSLContext dsl, Reference reference) {
    return Boolean.TRUE.equals(
        dsl.resultQuery(IS_TRUNCATED, deleted, val(reference.name())).fetchSingle().get(0));
  }

  List<Deleted> deletes(DSLContext dsl, Reference reference, long after, int most) {
    return dsl.resultQuery(DELETES, deleted, val(reference.name()), val(after), DSL.inline(most))
        .fetch(row -> new Deleted(row.get("id", Long.class), row.get("parent_key", JSONB.class)));
  }
}
