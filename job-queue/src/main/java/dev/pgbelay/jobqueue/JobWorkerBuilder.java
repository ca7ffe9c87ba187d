package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.GuardedPermit;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.AttemptRunner.Handling;
import dev.pgbelay.jobqueue.events.JobListener;
import dev.pgbelay.jobqueue.inspect.JobState;
import dev.pgbelay.jobqueue.internal.ManualAccess;
import io.micrometer.core.instrument.MeterRegistry;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadFactory;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Options of a {@link JobWorker}; begin with {@link JobWorker#builder}. Not thread-safe. */
public final class JobWorkerBuilder {
  private final Transactions transactions;
  private final DataSource heartbeats;
  private final Map<String, Handling<?>> handlings = new LinkedHashMap<>();
  private final Map<String, Integer> queues = new LinkedHashMap<>();
  private final List<JobListener> listeners = new ArrayList<>();
  private final Set<JobQueue> wakers = new LinkedHashSet<>();
  private String name = "default";
  private String schema = SchemaInstaller.DEFAULT_SCHEMA;
  private String node = ManagementFactory.getRuntimeMXBean().getName();
  private Duration lease = Duration.ofSeconds(30);
  private Duration pollInterval = Duration.ofSeconds(1);
  private Duration closeDeadline = Duration.ofSeconds(30);
  private Retention retention = Retention.DEFAULTS;
  private ThreadFactory threadFactory = HandlerThreads.ofThisJvm();
  private @Nullable MeterRegistry registry;
  private @Nullable WakeUps wakeUps;
  private @Nullable SettleSql settleSql;

  static {
    ManualAccess.register(
        (builder, around, concurrency) ->
            ManualDrive.open(builder.options().forManualUse(around, concurrency)));
  }

  JobWorkerBuilder(Transactions transactions, DataSource heartbeats) {
    this.transactions = transactions;
    this.heartbeats = heartbeats;
  }

  /** Of the threads and their metrics; needed where a process has several workers. */
  public JobWorkerBuilder name(String ofWorker) {
    this.name = OptionName.require(ofWorker, 32);
    return this;
  }

  /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
  public JobWorkerBuilder schema(String ofTables) {
    this.schema = ofTables;
    return this;
  }

  /**
   * What this process calls itself in the record of failures, 1 to 200 characters; process id and
   * host unless said.
   */
  public JobWorkerBuilder node(String label) {
    if (label.isEmpty()
        || label.length() > 200
        || label.chars().anyMatch(Character::isISOControl)) {
      throw new PgBelayException(
          "node is \""
              + label
              + "\": must be 1 to 200 characters, and none of them a control character");
    }
    this.node = label;
    return this;
  }

  /** A kind of jobs that this worker runs; others are left to other workers. */
  public <P> JobWorkerBuilder handle(JobKind<P> kind, JobHandler<P> handler) {
    return handle(kind, RetryPolicy.defaults(), handler);
  }

  /**
   * {@link #handle(JobKind, JobHandler)} with a retry policy of its own.
   *
   * @throws PgBelayException if the kind has a handler
   */
  public <P> JobWorkerBuilder handle(JobKind<P> kind, RetryPolicy retry, JobHandler<P> handler) {
    if (handlings.putIfAbsent(
            kind.name(), new Handling<>(kind, handler, retry, Optional.empty(), Optional.empty()))
        != null) {
      throw new PgBelayException(
          "kind '" + kind.name() + "' has a handler already: give each kind one");
    }
    return this;
  }

  /**
   * How long one attempt of a kind may take: 100 ms to 1 day, as long as it likes unless said.
   * After that its thread is interrupted, and what it then throws is a failed attempt; one that
   * does not heed it is logged, counted, and keeps its thread. A deadline of the job itself goes
   * before this one. Has nothing to do with the lease.
   *
   * @throws PgBelayException if the kind has no handler yet
   */
  public JobWorkerBuilder deadline(JobKind<?> kind, Duration time) {
    Options.requireDeadline("deadline", time);
    handlings.put(kind.name(), handled(kind).within(time));
    return this;
  }

  /**
   * Jobs of the kind are claimed only while {@code admitting} lets them begin; what it refuses is
   * left where it is, and no attempt is counted. Nothing of the kind is fetched ahead.
   *
   * @throws PgBelayException if the kind has no handler yet
   */
  public JobWorkerBuilder permit(JobKind<?> kind, ClaimPermit admitting) {
    handlings.put(
        kind.name(),
        handled(kind).under(new GuardedPermit("kind '" + kind.name() + "'", admitting)));
    return this;
  }

  private Handling<?> handled(JobKind<?> kind) {
    Handling<?> handling = handlings.get(kind.name());
    if (handling == null) {
      throw new PgBelayException(
          "kind '" + kind.name() + "' has no handler: name it with handle(kind, …) first");
    }
    return handling;
  }

  /**
   * A queue to work on, with so many jobs at once, 1 to 1,000. Without any: the queue {@code
   * default} with 16.
   */
  public JobWorkerBuilder queue(String queueName, int concurrency) {
    Options.requireName("queue", queueName);
    Options.require("concurrency of queue '" + queueName + "'", concurrency, 1, 1_000);
    if (queues.putIfAbsent(queueName, concurrency) != null) {
      throw new PgBelayException("queue '" + queueName + "' is named twice");
    }
    return this;
  }

  /**
   * How long this process may not be heard of before its jobs are given to others: 1 second to 1
   * hour, 30 seconds unless said. It is heard of three times in that time, whatever its jobs take.
   */
  public JobWorkerBuilder lease(Duration time) {
    Options.require("lease", time, Duration.ofSeconds(1), Duration.ofHours(1));
    this.lease = time;
    return this;
  }

  /** Between two looks at an empty queue: 10 ms to 1 minute, 1 s unless said. */
  public JobWorkerBuilder pollInterval(Duration interval) {
    Options.require("pollInterval", interval, Duration.ofMillis(10), Duration.ofMinutes(1));
    this.pollInterval = interval;
    return this;
  }

  /**
   * How long the records of finished jobs are kept at least, in whole days: 1 to 28, 7 unless said.
   * Of several workers with different ones the shortest holds. Needs TRUNCATE on the tables of
   * days; without it, that loop fails and all else goes on.
   *
   * @throws PgBelayException if it is out of its range, or not whole days
   */
  public JobWorkerBuilder retention(Duration ofFinished) {
    this.retention = retention.ofFinished(ofFinished);
    return this;
  }

  /**
   * How long the records of jobs that ended in one way are kept at least, in whole days up to ten
   * years, where that is longer than the others'; of dead letters, which are kept until somebody
   * decides unless this is said. Of several workers with different ones the shortest holds.
   *
   * @param ended done, discarded, cancelled or dead
   * @throws PgBelayException if that is no end of a job, or the time is out of its range, or not
   *     whole days
   */
  public JobWorkerBuilder retention(JobState ended, Duration time) {
    this.retention = retention.of(ended, time);
    return this;
  }

  /**
   * Looks for jobs at once when a transaction has committed in which {@code enqueuing} added some
   * to one of this worker's queues; needed only where both are in one process, and only sooner than
   * the poll interval. A single job that is enqueued while a thread is free and nothing waits is
   * enqueued as claimed by this worker, and begins right after its commit without a look at the
   * queue; if that transaction was opened by {@link Transactions}. May be called for several, all
   * of the worker's schema.
   */
  public JobWorkerBuilder wokenBy(JobQueue enqueuing) {
    wakers.add(enqueuing);
    return this;
  }

  /**
   * Looks for jobs at once when another process has committed some, and polls ten times more
   * seldom, at most every minute, while notifications are known to arrive. The caller starts and
   * closes it.
   */
  public JobWorkerBuilder wokenBy(WakeUps notifications) {
    this.wakeUps = notifications;
    return this;
  }

  /** What {@link JobWorker#close()} gives to handlers: up to an hour, 30 s unless said. */
  public JobWorkerBuilder closeDeadline(Duration time) {
    Options.require("closeDeadline", time, Duration.ZERO, Duration.ofHours(1));
    this.closeDeadline = time;
    return this;
  }

  /**
   * Makes the threads that run handlers. Unless said: virtual ones where the JVM has those that can
   * wait within {@code synchronized} (Java 24 and later), daemons otherwise. For handlers that
   * compute, {@link #platformThreads()}; on Java 21 to 23, {@code Thread.ofVirtual().factory()}
   * serves if no handler waits within {@code synchronized}.
   */
  public JobWorkerBuilder threadFactory(ThreadFactory factory) {
    this.threadFactory = factory;
    return this;
  }

  /**
   * Handlers run on platform threads, whatever the JVM has: for those that compute for long, which
   * would keep the few carriers of virtual threads from the rest of the process.
   */
  public JobWorkerBuilder platformThreads() {
    return threadFactory(HandlerThreads.PLATFORM);
  }

  /** Tells of each job; may be called for several. */
  public JobWorkerBuilder listener(JobListener watching) {
    listeners.add(watching);
    return this;
  }

  /** Where the metrics of the guide go; none are kept otherwise. */
  public JobWorkerBuilder meterRegistry(MeterRegistry metrics) {
    this.registry = metrics;
    return this;
  }

  /** For tests that take a fence away. */
  JobWorkerBuilder settleSql(SettleSql other) {
    this.settleSql = other;
    return this;
  }

  /**
   * Checks the options; asks no database.
   *
   * @throws PgBelayException if there is no handler, or a job queue that is to wake the worker adds
   *     to another schema
   */
  public JobWorker build() {
    if (handlings.isEmpty()) {
      throw new PgBelayException(
          "worker '" + name + "' has no handler: name a kind with handle(kind, handler)");
    }
    return new JobWorker(options());
  }

  WorkerOptions options() {
    for (JobQueue waker : wakers) {
      if (!waker.schema().equals(schema)) {
        throw new PgBelayException(
            "worker '"
                + name
                + "' works in schema '"
                + schema
                + "' and is to be woken by a job queue of schema '"
                + waker.schema()
                + "': give both the same schema");
      }
    }
    return new WorkerOptions(
        transactions,
        heartbeats,
        name,
        schema,
        node,
        lease,
        pollInterval,
        closeDeadline,
        retention,
        threadFactory,
        handlings,
        queues.isEmpty() ? Map.of(NewJob.DEFAULT_QUEUE, 16) : queues,
        listeners,
        List.copyOf(wakers),
        wakeUps,
        registry,
        settleSql);
  }
}
