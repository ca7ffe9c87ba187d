package dev.pgbelay.jobqueue.cron;

import static org.jooq.impl.DSL.val;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** The statements by which schedules that are due are fired. {0} is their table. */
final class FiringSql {
  private static final String LIST_DUE =
      """
      SELECT name, revision, next_fire, clock_timestamp() AS now, cron, zone, missed_fires,
             grace_millis, kind, queue, priority, max_attempts, headers, payload
        FROM {0}
       WHERE look_at <= clock_timestamp() AND isfinite(next_fire)
       ORDER BY look_at, name
       LIMIT {1}\
      """;

  private static final String MILLIS_TO_NEXT =
      """
      SELECT CAST(extract(epoch FROM look_at - clock_timestamp()) * 1000 AS bigint)
        FROM {0} WHERE look_at IS NOT NULL AND isfinite(next_fire) ORDER BY look_at LIMIT 1\
      """;

  /**
   * Whoever moves the moment on has fired it; a second one finds it moved. One that somebody else
   * has locked is passed over: he fires it, or it is due again.
   */
  private static final String MOVE_ON =
      """
      UPDATE {0}
         SET next_fire = {4}, look_at = {4}, last_fire = coalesce({5}, last_fire),
             fired = fired + {6}, missed = missed + {7}, failure = NULL, failed_at = NULL
       WHERE name = ANY (ARRAY(SELECT s.name FROM {0} AS s WHERE s.name = {1} FOR UPDATE SKIP LOCKED))
         AND revision = {2} AND next_fire = {3} AND paused_at IS NULL\
      """;

  private static final String NOTE_FAILURE =
      """
      UPDATE {0}
         SET look_at = clock_timestamp() + interval '1 minute', failed_at = clock_timestamp(),
             failure = {4}
       WHERE name = ANY (ARRAY(SELECT s.name FROM {0} AS s WHERE s.name = {1} FOR UPDATE SKIP LOCKED))
         AND revision = {2} AND next_fire = {3} AND paused_at IS NULL\
      """;

  private final Table<?> schedule;

  FiringSql(String schema) {
    this.schedule = DSL.table(DSL.name(schema, "job_schedule"));
  }

  /** A row that is due. */
  record Due(
      ScheduleSql.Template template,
      long revision,
      Instant nextFire,
      Instant now,
      String cron,
      String zone,
      MissedFires missed,
      Duration grace) {}

  List<Due> due(DSLContext dsl, int limit) {
    return dsl.resultQuery(LIST_DUE, schedule, val(limit))
        .fetch(
            row ->
                new Due(
                    ScheduleSql.template(row),
                    row.get("revision", Long.class),
                    ScheduleSql.instant(row, "next_fire"),
                    ScheduleSql.instant(row, "now"),
                    row.get("cron", String.class),
                    row.get("zone", String.class),
                    MissedFires.valueOf(row.get("missed_fires", String.class)),
                    Duration.ofMillis(row.get("grace_millis", Long.class))));
  }

  Optional<Duration> untilNext(DSLContext dsl) {
    return dsl.resultQuery(MILLIS_TO_NEXT, schedule)
        .fetchOptional(row -> Duration.ofMillis(Math.max(1, row.get(0, Long.class))));
  }

  boolean moveOn(DSLContext dsl, Due due, Firing firing) {
    List<Instant> moments = firing.moments();
    return dsl.query(
                MOVE_ON,
                schedule,
                val(due.template().name()),
                val(due.revision()),
                ScheduleSql.at(due.nextFire()),
                ScheduleSql.at(firing.next()),
                ScheduleSql.at(moments.isEmpty() ? null : moments.get(moments.size() - 1)),
                val((long) moments.size()),
                val((long) firing.missed()))
            .execute()
        == 1;
  }

  int noteFailure(DSLContext dsl, Due due, String failure) {
    return dsl.query(
            NOTE_FAILURE,
            schedule,
            val(due.template().name()),
            val(due.revision()),
            ScheduleSql.at(due.nextFire()),
            val(failure))
        .execute();
  }
}
