package dev.pgbelay.jobqueue.health;

import static org.jooq.impl.DSL.val;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * The statements that count jobs which may not begin. Each reads a bounded number of rows, along an
 * index. {@code {0}} is the table of jobs, {@code {1}} the limit.
 */
final class WaitingCountSql {
  /** Jumps from queue to queue along the index of blocked jobs. */
  private static final String COUNT_BLOCKED =
      """
      WITH RECURSIVE queues (queue) AS (
        (SELECT j.queue FROM {0} AS j WHERE j.key_slot = 0 ORDER BY j.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue FROM {0} AS j
                 WHERE j.key_slot = 0 AND j.queue > q.queue
                 ORDER BY j.queue LIMIT 1)
          FROM queues AS q
         WHERE q.queue IS NOT NULL)
      SELECT q.queue, blocked.jobs,
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) - blocked.due AS micros
        FROM queues AS q
             CROSS JOIN LATERAL (
               SELECT count(*) AS jobs, min(f.place + 1000000 * CAST(f.priority AS bigint)) AS due
                 FROM (SELECT j.place, j.priority FROM {0} AS j
                        WHERE j.key_slot = 0 AND j.queue = q.queue
                        ORDER BY j.queue, j.partition_key, j.place, j.id
                        LIMIT {1}) AS f) AS blocked
       WHERE q.queue IS NOT NULL
       LIMIT 1000\
      """;

  /**
   * {0} controls, {1} slots, {2} jobs. A slot holds while its job runs under that claim, and a rate
   * allows what has gathered since it was looked at.
   */
  private static final String READ_HOLDS =
      """
      SELECT c.scope, c.name, c.paused_at IS NOT NULL AS paused,
             coalesce(c.max_running <= (
                        SELECT count(*) FROM {1} AS s, unnest(s.job_ids) AS one(id)
                         WHERE s.scope = c.scope AND s.name = c.name
                           AND EXISTS (SELECT FROM {2} AS j
                                        WHERE j.id = one.id AND j.claimant = s.claimant
                                          AND j.claim_number = s.claim_number
                                       OFFSET 0)), false)
             OR coalesce(least(c.rate_burst,
                               c.rate_tokens
                               + greatest(0, extract(epoch FROM clock_timestamp() - c.rate_at))
                                 * 1000000 * c.rate_count / c.rate_micros) < 1, false) AS full
        FROM {0} AS c
       WHERE c.paused_at IS NOT NULL OR c.max_running IS NOT NULL OR c.rate_count IS NOT NULL\
      """;

  /** {0} workers. Kinds that every worker refuses which would run them, by queue. */
  private static final String READ_REFUSED =
      """
      SELECT q.queue, k.kind
        FROM {0} AS w, unnest(w.queues) AS q(queue), unnest(w.kinds) AS k(kind)
       WHERE w.fenced_at IS NULL AND w.expires_at > clock_timestamp()
       GROUP BY q.queue, k.kind
      HAVING bool_and(k.kind = ANY (w.refused_kinds))\
      """;

  /**
   * {2} paused queues, {3} paused kinds, {4} queues at their limits, {5} kinds at theirs, {6} and
   * {7} queues and kinds that permits refuse.
   */
  private static final String COUNT_HELD =
      HealthSql.WITH_QUEUES
          + """
      SELECT q.queue, held.paused, held.full, held.refused
        FROM queues AS q
             CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE f.paused) AS paused,
                      count(*) FILTER (WHERE NOT f.paused AND f.full) AS full,
                      count(*) FILTER (
                        WHERE NOT f.paused AND NOT f.full
                          AND EXISTS (SELECT FROM unnest({6}, {7}) AS r(queue, kind)
                                       WHERE r.queue = q.queue AND r.kind = f.kind)) AS refused
                 FROM (SELECT j.state, j.kind,
                              q.queue = ANY ({2}) OR j.kind = ANY ({3}) AS paused,
                              q.queue = ANY ({4}) OR j.kind = ANY ({5}) AS full
                         FROM {0} AS j
                        WHERE j.run_at IS NULL AND j.queue = q.queue
                        ORDER BY j.place, j.id
                        LIMIT {1}) AS f
                WHERE f.state = 'ready') AS held
       WHERE q.queue IS NOT NULL
       LIMIT 1000\
      """;

  private static final String QUEUE = "queue";
  private static final String KIND = "kind";

  private final Table<?> job;
  private final Table<?> control;
  private final Table<?> slot;
  private final Table<?> worker;

  WaitingCountSql(String schema) {
    this.job = DSL.table(DSL.name(schema, "job"));
    this.control = DSL.table(DSL.name(schema, "job_control"));
    this.slot = DSL.table(DSL.name(schema, "job_slot"));
    this.worker = DSL.table(DSL.name(schema, "job_worker"));
  }

  /** By queue; those of which nothing waits may be missing. */
  Map<String, Waiting> count(DSLContext dsl, int limit) {
    Map<String, Waiting> all = new HashMap<>();
    for (Record row : dsl.resultQuery(COUNT_BLOCKED, job, val(limit)).fetch()) {
      all.merge(queue(row), forKey(row), Waiting::plus);
    }
    List<Hold> holds = dsl.resultQuery(READ_HOLDS, control, slot, job).fetch(WaitingCountSql::hold);
    List<Record> refused = List.copyOf(dsl.resultQuery(READ_REFUSED, worker).fetch());
    if (!refused.isEmpty() || holds.stream().anyMatch(hold -> hold.paused() || hold.full())) {
      for (Record row :
          dsl.resultQuery(
                  COUNT_HELD,
                  job,
                  val(limit),
                  names(holds, QUEUE, true),
                  names(holds, KIND, true),
                  names(holds, QUEUE, false),
                  names(holds, KIND, false),
                  texts(refused.stream().map(WaitingCountSql::queue)),
                  texts(refused.stream().map(row -> row.get(KIND, String.class))))
              .fetch()) {
        all.merge(queue(row), held(row), Waiting::plus);
      }
    }
    return all;
  }

  /** What somebody has said of a queue or a kind, and whether it keeps jobs back just now. */
  private record Hold(String scope, String name, boolean paused, boolean full) {}

  private static Hold hold(Record row) {
    return new Hold(
        row.get("scope", String.class),
        row.get("name", String.class),
        row.get("paused", Boolean.class),
        row.get("full", Boolean.class));
  }

  private static Field<String[]> names(List<Hold> holds, String scope, boolean paused) {
    return texts(
        holds.stream()
            .filter(hold -> hold.scope().equals(scope) && (paused ? hold.paused() : hold.full()))
            .map(Hold::name));
  }

  private static Field<String[]> texts(Stream<String> all) {
    return val(all.toArray(String[]::new), SQLDataType.CLOB.array());
  }

  private static String queue(Record row) {
    return row.get(QUEUE, String.class);
  }

  private static Waiting forKey(Record row) {
    @Nullable Long micros = row.get("micros", Long.class);
    return new Waiting(
        row.get("jobs", Integer.class),
        micros == null
            ? Optional.empty()
            : Optional.of(Duration.ofNanos(Math.max(0, micros) * 1_000)),
        0,
        0,
        0);
  }

  private static Waiting held(Record row) {
    return new Waiting(
        0,
        Optional.empty(),
        row.get("paused", Integer.class),
        row.get("full", Integer.class),
        row.get("refused", Integer.class));
  }
}
