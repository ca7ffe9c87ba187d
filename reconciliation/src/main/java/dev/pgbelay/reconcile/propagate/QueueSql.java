package dev.pgbelay.reconcile.propagate;

import static org.jooq.impl.DSL.val;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The queue of captured deletes, which is {@code {0}}. */
final class QueueSql {
  /**
   * The row's lock is the fence: whoever loses his connection loses it, with all he did. How many
   * children a parent has decides how they are best found, so plans are not shared by parents. A
   * worker that is stopped must not hold it for ever. Nobody needs to know a chunk as durable: what
   * a crash of the server takes back, it takes back with its progress, and others' commits need not
   * queue behind its flush. The application's own rules are left what they have, {3}. What a
   * confirmed delete captures is confirmed with it, and what a cascade captures, {4}, was counted
   * with it.
   */
  private static final String NEXT =
      """
      SELECT *, ARRAY(SELECT jsonb_array_elements_text(parent_key)) AS parent_texts,
             set_config('plan_cache_mode', 'force_custom_plan', true),
             set_config('idle_in_transaction_session_timeout', {2}, true),
             CASE WHEN reference <> ALL ({3}) THEN set_config('synchronous_commit', 'off', true) END,
             set_config('pgbelay.reconcile_confirmed', cast(confirmed OR reference = ANY ({4}) AS text), true)
        FROM {0}
       WHERE held_because IS NULL AND due_at <= clock_timestamp() AND reference = ANY ({1})
       ORDER BY urgency, due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED\
      """;

  private static final String OPEN =
      """
      SELECT *, ARRAY(SELECT jsonb_array_elements_text(parent_key)) AS parent_texts
        FROM {0} WHERE reference = ANY ({1}) ORDER BY id LIMIT {2}\
      """;

  /** To the back of those of its urgency. */
  private static final String PROGRESS =
      """
      UPDATE {0} SET rows_treated = rows_treated + {2}, waits = {3}, walked_to = {4}, attempts = 0,
             due_at = clock_timestamp()
       WHERE id = {1}\
      """;

  private static final String HOLD =
      """
      UPDATE {0} SET held_because = {2} WHERE id = {1}\
      """;

  private static final String DONE = "DELETE FROM {0} WHERE id = {1}";

  private static final String CONFIRM =
      """
      UPDATE {0} SET confirmed = true, held_because = NULL, attempts = 0, due_at = clock_timestamp() WHERE id = {1}\
      """;

  private static final String FAILED =
      """
      UPDATE {0} SET attempts = attempts + 1,
             due_at = clock_timestamp() + least(power(2, attempts), 300) * interval '1 second',
             held_because = CASE WHEN attempts + 1 >= {3} THEN {2} END
       WHERE id = {1}\
      """;

  private final Table<?> queue;

  QueueSql(String schema) {
    this.queue = DSL.table(DSL.name(schema, "reconcile_deleted"));
  }

  /** One captured delete. */
  record Entry(
      long id,
      String reference,
      @Nullable JSONB parentKey,
      UUID batch,
      boolean confirmed,
      boolean waits,
      @Nullable JSONB walkedTo,
      List<String> parentTexts,
      @Nullable String heldBecause) {
    /** Nothing was done for it yet. */
    boolean isNew() {
      return !waits && walkedTo == null;
    }
  }

  /**
   * @param custom references whose rule is the application's
   * @param cascades references whose children are deleted, and theirs counted
   */
  Optional<Entry> next(
      DSLContext dsl,
      List<String> references,
      List<String> custom,
      List<String> cascades,
      Duration idleAtMost) {
    return dsl.resultQuery(
            NEXT,
            queue,
            val(references.toArray(String[]::new)),
            val(String.valueOf(idleAtMost.toMillis())),
            val(custom.toArray(String[]::new)),
            val(cascades.toArray(String[]::new)))
        .fetchOptional(QueueSql::entry);
  }

  List<Entry> open(DSLContext dsl, List<String> references, int most) {
    return dsl.resultQuery(OPEN, queue, val(references.toArray(String[]::new)), DSL.inline(most))
        .fetch(QueueSql::entry);
  }

  /**
   * @param waits whether it waits for children that are locked
   * @param walkedTo the last child that was looked at
   */
  void progress(DSLContext dsl, long id, long rows, boolean waits, @Nullable JSONB walkedTo) {
    dsl.query(PROGRESS, queue, val(id), val(rows), val(waits), val(walkedTo, SQLDataType.JSONB))
        .execute();
  }

  void hold(DSLContext dsl, long id, String reason) {
    dsl.query(HOLD, queue, val(id), val(reason)).execute();
  }

  void done(DSLContext dsl, long id) {
    dsl.query(DONE, queue, val(id)).execute();
  }

  boolean confirm(DSLContext dsl, long id) {
    return dsl.query(CONFIRM, queue, val(id)).execute() == 1;
  }

  void failed(DSLContext dsl, long id, String reason, int most) {
    dsl.query(FAILED, queue, val(id), val(reason), val(most)).execute();
  }

  private static Entry entry(Record row) {
    return new Entry(
        row.get("id", Long.class),
        row.get("reference", String.class),
        row.get("parent_key", JSONB.class),
        row.get("batch", UUID.class),
        row.get("confirmed", Boolean.class),
        row.get("waits", Boolean.class),
        row.get("walked_to", JSONB.class),
        List.of(row.get("parent_texts", String[].class)),
        row.get("held_because", String.class));
  }
}
