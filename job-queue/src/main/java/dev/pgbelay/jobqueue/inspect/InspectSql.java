package dev.pgbelay.jobqueue.inspect;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.jobqueue.internal.IdCursor;
import dev.pgbelay.jobqueue.internal.StoredTexts;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements that look for jobs. */
final class InspectSql {
  /** So many jobs a page looks at. */
  static final int MOST_LOOKED_AT = 10_000;

  /** {0} jobs, {1} dead letters, {2} finished, {3} finished and kept for longer, {4} the id. */
  private static final String FIND =
      """
      SELECT id, kind, queue, upper(state) AS state, attempt, max_attempts, enqueued_at,
             CASE WHEN isfinite(run_at) THEN run_at END AS run_at,
             CAST(NULL AS timestamptz) AS ended_at, CAST(NULL AS text) AS reason, failures, headers,
             tags
        FROM {0} WHERE id = {4}
      UNION ALL
      SELECT id, kind, queue, 'DEAD', attempt, max_attempts, enqueued_at, NULL, died_at, reason,
             failures, headers, tags
        FROM {1} WHERE id = {4}
      UNION ALL
      SELECT id, kind, queue, upper(outcome), attempt, NULL, NULL, NULL, finished_at, reason, NULL,
             NULL, tags
        FROM {2} WHERE id = {4}
      UNION ALL
      SELECT id, kind, queue, upper(outcome), attempt, NULL, NULL, NULL, finished_at, reason, NULL,
             NULL, tags
        FROM {3} WHERE id = {4}
       LIMIT 1\
      """;

  private static final String PAGE_OF_JOBS =
      """
      WITH page AS MATERIALIZED (
        SELECT id, kind, queue, state, attempt, max_attempts, enqueued_at,
               CASE WHEN isfinite(run_at) THEN run_at END AS run_at,
               CAST(NULL AS timestamptz) AS ended_at, CAST(NULL AS text) AS reason, failures,
               headers, tags
          FROM {0} WHERE id > {1} ORDER BY id LIMIT {2}),
      """;

  private static final String PAGE_OF_DEAD =
      """
      WITH page AS MATERIALIZED (
        SELECT id, kind, queue, 'dead' AS state, attempt, max_attempts, enqueued_at,
               CAST(NULL AS timestamptz) AS run_at, died_at AS ended_at, reason, failures,
               headers, tags
          FROM {0} WHERE id > {1} ORDER BY id LIMIT {2}),
      """;

  /** Of a page: {3} queue, {4} kind, {5} state, {6} tag, {7} limit. */
  private static final String CHOOSE =
      """
      looked AS MATERIALIZED (SELECT max(id) AS last, count(*) AS jobs FROM page)
      SELECT looked.last, looked.jobs, p.id, p.kind, p.queue, upper(p.state) AS state, p.attempt,
             p.max_attempts, p.enqueued_at, p.run_at, p.ended_at, p.reason, p.failures, p.headers,
             p.tags
        FROM looked LEFT JOIN LATERAL (
             SELECT * FROM page
              WHERE ({3} IS NULL OR queue = {3}) AND ({4} IS NULL OR kind = {4})
                AND ({5} IS NULL OR state = {5}) AND ({6} IS NULL OR {6} = ANY (tags))
              ORDER BY id LIMIT {7}) AS p ON true
       ORDER BY p.id\
      """;

  private static final String LIST = PAGE_OF_JOBS + CHOOSE;
  private static final String LIST_DEAD = PAGE_OF_DEAD + CHOOSE;

  private final Table<?> job;
  private final Table<?> dead;
  private final Table<?> finished;
  private final Table<?> kept;

  InspectSql(String schema) {
    this.job = DSL.table(DSL.name(schema, "job"));
    this.dead = DSL.table(DSL.name(schema, "job_dead"));
    this.finished = DSL.table(DSL.name(schema, "job_finished"));
    this.kept = DSL.table(DSL.name(schema, "job_finished_kept"));
  }

  Optional<JobInfo> find(DSLContext dsl, long id) {
    return dsl.resultQuery(FIND, job, dead, finished, kept, val(id))
        .fetchOptional(InspectSql::info);
  }

  JobPage<JobInfo> list(DSLContext dsl, JobFilter filter, long after, int limit) {
    List<JobInfo> jobs = new ArrayList<>();
    long last = 0;
    int looked = 0;
    boolean ofDead = filter.state().equals(Optional.of(JobState.DEAD));
    for (Record row :
        dsl.resultQuery(
                ofDead ? LIST_DEAD : LIST,
                ofDead ? dead : job,
                val(after),
                val(MOST_LOOKED_AT),
                text(filter.queue()),
                text(filter.kind()),
                text(filter.state().map(JobState::column)),
                text(filter.tag()),
                val(limit))
            .fetch()) {
      looked = row.get("jobs", Integer.class);
      last = looked == 0 ? 0 : row.get("last", Long.class);
      if (row.get("id") != null) {
        jobs.add(info(row));
      }
    }
    if (jobs.size() == limit) {
      return new JobPage<>(jobs, Optional.of(IdCursor.of(jobs.get(limit - 1).id())));
    }
    return new JobPage<>(
        jobs, looked == MOST_LOOKED_AT ? Optional.of(IdCursor.of(last)) : Optional.empty());
  }

  static Field<String> text(Optional<String> value) {
    return DSL.cast(val(value.orElse(null), SQLDataType.CLOB), SQLDataType.CLOB);
  }

  static JobInfo info(Record row) {
    @Nullable Integer maxAttempts = row.get("max_attempts", Integer.class);
    return new JobInfo(
        row.get("id", Long.class),
        row.get("kind", String.class),
        row.get("queue", String.class),
        JobState.valueOf(row.get("state", String.class)),
        row.get("attempt", Integer.class),
        maxAttempts == null ? OptionalInt.empty() : OptionalInt.of(maxAttempts),
        instant(row, "enqueued_at"),
        instant(row, "run_at"),
        instant(row, "ended_at"),
        Optional.ofNullable(row.get("reason", String.class)),
        StoredTexts.failures(row, "failures"),
        StoredHeaders.read(StoredTexts.of(row, "headers")),
        StoredTexts.of(row, "tags"));
  }

  private static Optional<Instant> instant(Record row, String column) {
    return Optional.ofNullable(row.get(column, OffsetDateTime.class))
        .map(OffsetDateTime::toInstant);
  }
}
