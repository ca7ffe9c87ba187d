package dev.pgbelay.jobqueue.control;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.jobqueue.control.Setting.Scope;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** The statements on what was said of queues and kinds. {@code {0}} is their table. */
class ControlSql {
  private static final String PAUSE =
      """
      INSERT INTO {0} AS c (scope, name, paused_at, paused_for)
      VALUES ({1}, {2}, clock_timestamp(), {3})
      ON CONFLICT (scope, name) DO UPDATE
        SET paused_at = coalesce(c.paused_at, excluded.paused_at), paused_for = excluded.paused_for\
      """;

  private static final String RESUME =
      """
      UPDATE {0} SET paused_at = NULL, paused_for = NULL WHERE scope = {1} AND name = {2}\
      """;

  /** What was left of the rate before is kept, up to the new burst. */
  private static final String LIMIT =
      """
      INSERT INTO {0} AS c (scope, name, max_running, key_limit, rate_count, rate_micros, rate_burst,
                            rate_tokens)
      VALUES ({1}, {2}, {3}, {4}, {5}, {6}, {7}, coalesce({7}, 0))
      ON CONFLICT (scope, name) DO UPDATE
        SET max_running = excluded.max_running, key_limit = excluded.key_limit,
            rate_count = excluded.rate_count, rate_micros = excluded.rate_micros,
            rate_burst = excluded.rate_burst,
            rate_tokens = CASE WHEN c.rate_count IS NULL THEN excluded.rate_tokens
                               ELSE least(c.rate_tokens, excluded.rate_tokens) END,
            rate_at = CASE WHEN c.rate_count IS NULL THEN excluded.rate_at ELSE c.rate_at END\
      """;

  /**
   * Jobs that wait in slots which the queue has no more are blocked again. {0} is the table of
   * jobs.
   */
  private static final String LEAVE_SLOTS =
      """
      UPDATE {0}
         SET state = 'blocked', run_at = 'infinity', key_slot = 0
       WHERE queue = {1} AND key_slot > {2} AND state = 'ready'\
      """;

  private static final String LIST =
      """
      SELECT scope, name, paused_at, paused_for, max_running, key_limit, rate_count, rate_micros,
             rate_burst
        FROM {0}
       ORDER BY scope, name\
      """;

  private final Table<?> control;
  private final Table<?> job;

  ControlSql(String schema) {
    this.control = DSL.table(DSL.name(schema, "job_control"));
    this.job = DSL.table(DSL.name(schema, "job"));
  }

  private static String text(Scope scope) {
    return scope.name().toLowerCase(Locale.ROOT);
  }

  void pause(DSLContext dsl, Scope scope, String name, String reason) {
    dsl.query(PAUSE, control, val(text(scope)), val(name), val(reason)).execute();
  }

  void resume(DSLContext dsl, Scope scope, String name) {
    dsl.query(RESUME, control, val(text(scope)), val(name)).execute();
  }

  void limit(DSLContext dsl, Scope scope, String name, Limits limits) {
    Optional<Rate> rate = limits.rate();
    dsl.query(
            LIMIT,
            control,
            val(text(scope)),
            val(name),
            val(limits.running().orElse(null), SQLDataType.INTEGER),
            val(limits.perKey().orElse(null), SQLDataType.INTEGER),
            val(rate.map(Rate::count).orElse(null), SQLDataType.INTEGER),
            val(rate.map(one -> one.per().toNanos() / 1_000).orElse(null), SQLDataType.BIGINT),
            val(rate.map(Rate::burst).orElse(null), SQLDataType.INTEGER))
        .execute();
    if (scope == Scope.QUEUE) {
      dsl.query(LEAVE_SLOTS, job, val(name), val(limits.perKey().orElse(1))).execute();
    }
  }

  List<Setting> list(DSLContext dsl) {
    return dsl.resultQuery(LIST, control).fetch(ControlSql::setting);
  }

  private static Setting setting(Record row) {
    Integer count = row.get("rate_count", Integer.class);
    Optional<Rate> rate =
        count == null
            ? Optional.empty()
            : Optional.of(
                new Rate(
                    count,
                    Duration.ofNanos(row.get("rate_micros", Long.class) * 1_000),
                    row.get("rate_burst", Integer.class)));
    return new Setting(
        Scope.valueOf(row.get("scope", String.class).toUpperCase(Locale.ROOT)),
        row.get("name", String.class),
        Optional.ofNullable(row.get("paused_at", OffsetDateTime.class))
            .map(OffsetDateTime::toInstant),
        Optional.ofNullable(row.get("paused_for", String.class)),
        new Limits(
            Optional.ofNullable(row.get("max_running", Integer.class)),
            Optional.ofNullable(row.get("key_limit", Integer.class)),
            rate));
  }
}
