package dev.pgbelay.jobqueue.cron;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.jobqueue.NewJob;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements by which schedules are put, changed and looked at. {0} is their table. */
final class ScheduleSql {
  private static final String NOW = "SELECT clock_timestamp()";

  /** A row that is there keeps its next moment, if it means the same moments. */
  private static final String PUT =
      """
      INSERT INTO {0} AS s (name, next_fire, look_at, grace_millis, priority, max_attempts, cron,
                            zone, missed_fires, kind, queue, headers, payload)
      VALUES ({1}, {2}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}, {12})
      ON CONFLICT (name) DO UPDATE
         SET next_fire = CASE WHEN s.cron = excluded.cron AND s.zone = excluded.zone
                              THEN s.next_fire ELSE excluded.next_fire END,
             look_at = CASE WHEN s.paused_at IS NOT NULL THEN NULL
                            WHEN s.cron = excluded.cron AND s.zone = excluded.zone
                            THEN s.next_fire ELSE excluded.next_fire END,
             grace_millis = excluded.grace_millis, priority = excluded.priority,
             max_attempts = excluded.max_attempts, cron = excluded.cron, zone = excluded.zone,
             missed_fires = excluded.missed_fires, kind = excluded.kind, queue = excluded.queue,
             headers = excluded.headers, payload = excluded.payload,
             failure = NULL, failed_at = NULL, revision = s.revision + 1
       WHERE (s.grace_millis, s.priority, s.max_attempts, s.cron, s.zone, s.missed_fires, s.kind,
              s.queue, s.headers, s.payload)
             IS DISTINCT FROM
             (excluded.grace_millis, excluded.priority, excluded.max_attempts, excluded.cron,
              excluded.zone, excluded.missed_fires, excluded.kind, excluded.queue,
              excluded.headers, excluded.payload)
      RETURNING revision\
      """;

  private static final String REMOVE = "DELETE FROM {0} WHERE name = {1}";

  private static final String PAUSE =
      """
      UPDATE {0} SET paused_at = clock_timestamp(), look_at = NULL
       WHERE name = {1} AND paused_at IS NULL\
      """;

  private static final String LOCK =
      "SELECT cron, zone, paused_at FROM {0} WHERE name = {1} FOR UPDATE";

  private static final String RESUME =
      """
      UPDATE {0}
         SET paused_at = NULL, next_fire = {2}, look_at = {2}, revision = revision + 1
       WHERE name = {1}\
      """;

  private static final String FIND =
      """
      SELECT name, cron, zone, kind, queue, missed_fires, paused_at, next_fire, last_fire, fired,
             missed, failure
        FROM {0} WHERE name = {1}\
      """;

  private static final String LIST =
      """
      SELECT name, cron, zone, kind, queue, missed_fires, paused_at, next_fire, last_fire, fired,
             missed, failure
        FROM {0} ORDER BY name\
      """;

  private static final String FIND_JOB =
      """
      SELECT name, kind, queue, priority, max_attempts, headers, payload, clock_timestamp() AS now
        FROM {0} WHERE name = {1}\
      """;

  private final Table<?> schedule;

  ScheduleSql(String schema) {
    this.schedule = DSL.table(DSL.name(schema, "job_schedule"));
  }

  /** What is to be enqueued; never compared. */
  @SuppressWarnings("ArrayRecordComponent")
  record Template(
      String name,
      String kind,
      String queue,
      int priority,
      int maxAttempts,
      Map<String, String> headers,
      byte @Nullable [] bytes) {
    byte[] payload() {
      return bytes == null ? new byte[0] : bytes;
    }
  }

  Instant now(DSLContext dsl) {
    return instant(dsl.resultQuery(NOW).fetchSingle(), 0);
  }

  /** The row's revision, 1 if it is new; empty if it said the same before. */
  Optional<Long> put(DSLContext dsl, Schedule put, @Nullable Instant next) {
    NewJob<?> job = put.job();
    return dsl.resultQuery(
            PUT,
            schedule,
            val(put.name()),
            at(next),
            val(put.grace().toMillis()),
            val((int) job.priority().toSeconds()),
            val(job.maxAttempts()),
            val(put.times().expression()),
            val(put.times().zone().getId()),
            val(put.missed().name()),
            val(job.kind().name()),
            val(job.queue()),
            val(texts(job.headers()), SQLDataType.CLOB.array()),
            val(put.payload()))
        .fetchOptional(row -> row.get(0, Long.class));
  }

  int remove(DSLContext dsl, String name) {
    return dsl.query(REMOVE, schedule, val(name)).execute();
  }

  int pause(DSLContext dsl, String name) {
    return dsl.query(PAUSE, schedule, val(name)).execute();
  }

  /** A row as it is locked. */
  record Locked(String cron, String zone, boolean paused) {}

  Optional<Locked> lock(DSLContext dsl, String name) {
    return dsl.resultQuery(LOCK, schedule, val(name))
        .fetchOptional(
            row ->
                new Locked(
                    row.get("cron", String.class),
                    row.get("zone", String.class),
                    row.get("paused_at") != null));
  }

  void resume(DSLContext dsl, String name, @Nullable Instant next) {
    dsl.query(RESUME, schedule, val(name), at(next)).execute();
  }

  Optional<ScheduleState> find(DSLContext dsl, String name) {
    return dsl.resultQuery(FIND, schedule, val(name)).fetchOptional(ScheduleSql::state);
  }

  List<ScheduleState> list(DSLContext dsl) {
    return dsl.resultQuery(LIST, schedule).fetch(ScheduleSql::state);
  }

  /** What is to be enqueued, and the moment at which that was asked. */
  record Asked(Template template, Instant now) {}

  Optional<Asked> findJob(DSLContext dsl, String name) {
    return dsl.resultQuery(FIND_JOB, schedule, val(name))
        .fetchOptional(row -> new Asked(template(row), instant(row, "now")));
  }

  static Field<OffsetDateTime> at(@Nullable Instant moment) {
    return val(
        moment == null ? null : moment.atOffset(ZoneOffset.UTC), SQLDataType.TIMESTAMPWITHTIMEZONE);
  }

  private static ScheduleState state(Record row) {
    return new ScheduleState(
        row.get("name", String.class),
        row.get("cron", String.class),
        row.get("zone", String.class),
        row.get("kind", String.class),
        row.get("queue", String.class),
        MissedFires.valueOf(row.get("missed_fires", String.class)),
        row.get("paused_at") != null,
        optional(row, "next_fire"),
        optional(row, "last_fire"),
        row.get("fired", Long.class),
        row.get("missed", Long.class),
        Optional.ofNullable(row.get("failure", String.class)));
  }

  static Template template(Record row) {
    String[] texts = row.get("headers", String[].class);
    Map<String, String> headers = new LinkedHashMap<>();
    for (int i = 0; texts != null && i + 1 < texts.length; i += 2) {
      headers.put(texts[i], texts[i + 1]);
    }
    return new Template(
        row.get("name", String.class),
        row.get("kind", String.class),
        row.get("queue", String.class),
        row.get("priority", Integer.class),
        row.get("max_attempts", Integer.class),
        headers,
        row.get("payload", byte[].class));
  }

  private static String @Nullable [] texts(Map<String, String> headers) {
    if (headers.isEmpty()) {
      return null;
    }
    List<String> texts = new ArrayList<>();
    headers.forEach(
        (name, value) -> {
          texts.add(name);
          texts.add(value);
        });
    return texts.toArray(new String[0]);
  }

  private static Instant instant(Record row, int column) {
    return row.get(column, OffsetDateTime.class).toInstant();
  }

  static Instant instant(Record row, String column) {
    return row.get(column, OffsetDateTime.class).toInstant();
  }

  private static Optional<Instant> optional(Record row, String column) {
    return Optional.ofNullable(row.get(column, OffsetDateTime.class))
        .map(OffsetDateTime::toInstant);
  }
}
