package dev.pgbelay.jobqueue.health;

import static org.jooq.impl.DSL.val;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements of the monitor. Each reads a bounded number of rows, along an index. */
final class HealthSql {
  /** Jumps from queue to queue along the index of the claim. {0} is the table of jobs. */
  static final String WITH_QUEUES =
      """
      WITH RECURSIVE queues (queue) AS (
        (SELECT j.queue FROM {0} AS j WHERE j.run_at IS NULL ORDER BY j.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue FROM {0} AS j
                 WHERE j.run_at IS NULL AND j.queue > q.queue
                 ORDER BY j.queue LIMIT 1)
          FROM queues AS q
         WHERE q.queue IS NOT NULL)
      """;

  /**
   * Looks at the front of each queue, where running jobs stand among those that wait. {0} is the
   * table of jobs, {1} the limit.
   */
  private static final String READ_FRONTS =
      WITH_QUEUES
          + """
      SELECT q.queue, front.jobs, front.running,
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) - front.due AS micros
        FROM queues AS q
             CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE f.state = 'ready') AS jobs,
                      count(*) FILTER (WHERE f.state = 'running') AS running,
                      min(f.place + 1000000 * CAST(f.priority AS bigint))
                        FILTER (WHERE f.state = 'ready') AS due
                 FROM (SELECT j.place, j.priority, j.state FROM {0} AS j
                        WHERE j.run_at IS NULL AND j.queue = q.queue
                        ORDER BY j.place, j.id
                        LIMIT {1}) AS f) AS front
       WHERE q.queue IS NOT NULL
       LIMIT 1000\
      """;

  /**
   * What is due and was not made ready, or arrived and was not given a slot of its key: nobody
   * works at all.
   */
  private static final String READ_OVERDUE =
      """
      SELECT o.queue, count(*) AS jobs,
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) - min(o.due) AS micros
        FROM ((SELECT j.queue, CAST(extract(epoch FROM j.run_at) * 1000000 AS bigint) AS due
                 FROM {0} AS j
                WHERE j.run_at <= clock_timestamp()
                ORDER BY j.run_at
                LIMIT {1})
              UNION ALL
              (SELECT j.queue, j.place + 1000000 * CAST(j.priority AS bigint)
                 FROM {0} AS j
                WHERE j.key_slot = -1
                ORDER BY j.place, j.id
                LIMIT {1})) AS o
       GROUP BY o.queue\
      """;

  private static final String READ_ACTIVITY =
      """
      SELECT queue,
             CAST(extract(epoch FROM clock_timestamp() - max(claimed_at)) * 1000 AS bigint) AS claimed,
             CAST(extract(epoch FROM clock_timestamp() - max(finished_at)) * 1000 AS bigint) AS finished
        FROM {0}
       GROUP BY queue\
      """;

  private static final String READ_PAUSES =
      """
      SELECT name AS queue,
             CAST(extract(epoch FROM clock_timestamp() - paused_at) * 1000 AS bigint) AS paused
        FROM {0}
       WHERE scope = 'queue' AND paused_at IS NOT NULL\
      """;

  private static final String READ_WORKERS =
      """
      SELECT (SELECT count(*) FROM {0}
               WHERE fenced_at IS NULL AND expires_at > clock_timestamp()) AS workers,
             (SELECT count(*) FROM (SELECT FROM {1} LIMIT {2}) AS few) AS dead\
      """;

  private static final String READ_WORKERS_OF_QUEUES =
      """
      SELECT q.queue, count(*) AS workers
        FROM {0} AS w, unnest(w.queues) AS q(queue)
       WHERE w.fenced_at IS NULL AND w.expires_at > clock_timestamp()
       GROUP BY q.queue\
      """;

  private static final String READ_SCHEDULES =
      """
      SELECT count(*) FILTER (WHERE look_at < clock_timestamp() - interval '1 minute') AS overdue,
             coalesce(array_agg(name ORDER BY name) FILTER (WHERE failure IS NOT NULL),
                      CAST('{}' AS text[])) AS failing,
             coalesce(sum(missed), 0) AS missed
        FROM {0}\
      """;

  private static final String EXPECT =
      "INSERT INTO {0} (kind) SELECT unnest({1}) ON CONFLICT (kind) DO NOTHING";

  private static final String READ_EXPECTED =
      """
      SELECT e.kind,
             CAST(extract(epoch FROM clock_timestamp() - greatest(e.since, max(a.succeeded_at)))
                  * 1000 AS bigint) AS since
        FROM {0} AS e LEFT JOIN {1} AS a ON a.kind = e.kind
       WHERE e.kind = ANY ({2})
       GROUP BY e.kind, e.since\
      """;

  private final WaitingCountSql waiting;
  private final Table<?> job;
  private final Table<?> dead;
  private final Table<?> worker;
  private final Table<?> schedule;
  private final Table<?> activity;
  private final Table<?> expected;
  private final Table<?> control;

  HealthSql(String schema) {
    this.waiting = new WaitingCountSql(schema);
    this.job = DSL.table(DSL.name(schema, "job"));
    this.dead = DSL.table(DSL.name(schema, "job_dead"));
    this.worker = DSL.table(DSL.name(schema, "job_worker"));
    this.schedule = DSL.table(DSL.name(schema, "job_schedule"));
    this.activity = DSL.table(DSL.name(schema, "job_activity"));
    this.expected = DSL.table(DSL.name(schema, "job_expected"));
    this.control = DSL.table(DSL.name(schema, "job_control"));
  }

  void expect(DSLContext dsl, Collection<String> kinds) {
    dsl.query(EXPECT, expected, array(kinds)).execute();
  }

  private static Field<String[]> array(Collection<String> texts) {
    return val(texts.toArray(new String[0]), SQLDataType.CLOB.array());
  }

  /** Gathers what several statements say of one queue. */
  private static final class Gathered {
    private int due;
    private int running;
    private @Nullable Duration oldest;
    private @Nullable Duration sinceClaim;
    private @Nullable Duration sinceFinished;
    private @Nullable Duration sincePause;
    private Waiting waiting = Waiting.FOR_NOTHING;
    private int workers;

    void due(Record row) {
      int jobs = row.get("jobs", Integer.class);
      if (jobs == 0) {
        return;
      }
      due += jobs;
      Duration age = Duration.ofNanos(Math.max(0, row.get("micros", Long.class)) * 1_000);
      oldest = oldest == null || age.compareTo(oldest) > 0 ? age : oldest;
    }

    QueueFigures figures(String queue) {
      return new QueueFigures(
          queue,
          due,
          running,
          Optional.ofNullable(oldest),
          Optional.ofNullable(sinceClaim),
          Optional.ofNullable(sinceFinished),
          Optional.ofNullable(sincePause),
          waiting,
          workers);
    }
  }

  Map<String, QueueFigures> queues(DSLContext dsl, Collection<String> watched, int limit) {
    Map<String, Gathered> all = new TreeMap<>();
    watched.forEach(queue -> all.put(queue, new Gathered()));
    dsl.resultQuery(READ_FRONTS, job, val(limit))
        .forEach(
            row -> {
              Gathered queue = of(all, row);
              queue.due(row);
              queue.running = row.get("running", Integer.class);
            });
    dsl.resultQuery(READ_OVERDUE, job, val(limit)).forEach(row -> of(all, row).due(row));
    dsl.resultQuery(READ_ACTIVITY, activity)
        .forEach(
            row -> {
              Gathered queue = of(all, row);
              queue.sinceClaim = millis(row, "claimed");
              queue.sinceFinished = millis(row, "finished");
            });
    dsl.resultQuery(READ_PAUSES, control)
        .forEach(row -> of(all, row).sincePause = millis(row, "paused"));
    waiting
        .count(dsl, limit)
        .forEach(
            (queue, jobs) -> all.computeIfAbsent(queue, name -> new Gathered()).waiting = jobs);
    for (Record row : dsl.resultQuery(READ_WORKERS_OF_QUEUES, worker).fetch()) {
      Gathered queue = all.get(row.get("queue", String.class));
      if (queue != null) {
        queue.workers = row.get("workers", Integer.class);
      }
    }
    Map<String, QueueFigures> figures = new HashMap<>();
    all.forEach((queue, gathered) -> figures.put(queue, gathered.figures(queue)));
    return figures;
  }

  private static Gathered of(Map<String, Gathered> all, Record row) {
    return all.computeIfAbsent(row.get("queue", String.class), queue -> new Gathered());
  }

  private static @Nullable Duration millis(Record row, String column) {
    @Nullable Long millis = row.get(column, Long.class);
    return millis == null ? null : Duration.ofMillis(Math.max(0, millis));
  }

  /** Workers that are heard of, and dead letters up to a limit. */
  record Counts(int workers, int dead) {}

  Counts counts(DSLContext dsl, int limit) {
    Record row = dsl.resultQuery(READ_WORKERS, worker, dead, val(limit)).fetchSingle();
    return new Counts(row.get("workers", Integer.class), row.get("dead", Integer.class));
  }

  /** Schedules that are late, those that fail, and how many moments were missed. */
  record ScheduleCounts(int overdue, List<String> failing, long missed) {}

  ScheduleCounts schedules(DSLContext dsl) {
    Record row = dsl.resultQuery(READ_SCHEDULES, schedule).fetchSingle();
    return new ScheduleCounts(
        row.get("overdue", Integer.class),
        new ArrayList<>(List.of(row.get("failing", String[].class))),
        row.get("missed", Long.class));
  }

  Map<String, Duration> sinceSuccess(DSLContext dsl, Collection<String> kinds) {
    Map<String, Duration> since = new HashMap<>();
    dsl.resultQuery(READ_EXPECTED, expected, activity, array(kinds))
        .forEach(
            row ->
                since.put(
                    row.get("kind", String.class),
                    Duration.ofMillis(Math.max(0, row.get("since", Long.class)))));
    return since;
  }
}
