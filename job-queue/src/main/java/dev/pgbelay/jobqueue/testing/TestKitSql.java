package dev.pgbelay.jobqueue.testing;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.jobqueue.JobKind;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements of the test kit. */
final class TestKitSql {
  private static final String LIST =
      """
      SELECT id, payload, queue, CASE WHEN isfinite(run_at) THEN run_at END AS run_at, priority,
             max_attempts, headers, state
        FROM {0} WHERE kind = {1} ORDER BY id\
      """;

  private static final String COUNT_BY_KIND =
      "SELECT kind, count(*) AS jobs FROM {0} GROUP BY kind";

  /** What is due now, at this moment of the database. */
  private static final String COUNT_DUE =
      """
      SELECT count(*) FROM {0}
       WHERE state IN ('ready', 'arriving') OR (state = 'scheduled' AND run_at <= clock_timestamp())\
      """;

  /** Moves every job so much into the past, which is to it as if that time had passed. */
  private static final String ADVANCE =
      """
      UPDATE {0}
         SET run_at = run_at - {1} * interval '1 microsecond',
             enqueued_at = enqueued_at - {1} * interval '1 microsecond',
             place = place - {1}\
      """;

  private final Table<?> job;

  TestKitSql(String schema) {
    this.job = DSL.table(DSL.name(schema, "job"));
  }

  <P> List<EnqueuedJob<P>> list(DSLContext dsl, JobKind<P> kind) {
    return dsl.resultQuery(LIST, job, val(kind.name())).fetch(row -> read(row, kind));
  }

  private static <P> EnqueuedJob<P> read(Record row, JobKind<P> kind) {
    long id = row.get("id", Long.class);
    P payload;
    try {
      payload = kind.codec().decode(row.get("payload", byte[].class));
    } catch (Exception e) {
      throw new AssertionError(
          "job " + id + " of kind '" + kind.name() + "' has a payload that its codec refuses", e);
    }
    @Nullable OffsetDateTime runAt = row.get("run_at", OffsetDateTime.class);
    return new EnqueuedJob<>(
        id,
        payload,
        row.get("queue", String.class),
        Optional.ofNullable(runAt).map(OffsetDateTime::toInstant),
        Duration.ofSeconds(row.get("priority", Integer.class)),
        row.get("max_attempts", Integer.class),
        headers(row.get("headers", String[].class)),
        row.get("state", String.class).equals("running"));
  }

  private static Map<String, String> headers(String @Nullable [] texts) {
    Map<String, String> headers = new LinkedHashMap<>();
    for (int i = 0; texts != null && i + 1 < texts.length; i += 2) {
      headers.put(texts[i], texts[i + 1]);
    }
    return headers;
  }

  Map<String, Integer> countByKind(DSLContext dsl) {
    Map<String, Integer> counts = new TreeMap<>();
    dsl.resultQuery(COUNT_BY_KIND, job)
        .forEach(row -> counts.put(row.get("kind", String.class), row.get("jobs", Integer.class)));
    return counts;
  }

  int countDue(DSLContext dsl) {
    return dsl.resultQuery(COUNT_DUE, job).fetchSingle().get(0, Integer.class);
  }

  void advance(DSLContext dsl, Duration time) {
    dsl.query(ADVANCE, job, val(time.toNanos() / 1_000)).execute();
  }
}
