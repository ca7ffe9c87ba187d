package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.AttemptRunner.Handling;
import dev.pgbelay.jobqueue.events.JobListener;
import dev.pgbelay.jobqueue.internal.ManualAccess;
import dev.pgbelay.jobqueue.permit.ClaimPermit;
import io.micrometer.core.instrument.MeterRegistry;
import java.lang.management.ManagementFactory;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs jobs: claims them in batches, hands each to its handler on a thread, writes what became of
 * them in batches, takes jobs back from workers that died. One per process, as a rule.
 *
 * <p><b>Guarantee.</b> A job that was committed is run until an attempt of it ends in done or
 * discard, or it becomes a dead letter; it is never lost. What is written about it is written only
 * while it is claimed by the one who writes: a worker that was stopped for longer than the lease
 * changes nothing any more. A handler can run more than once, also twice at the same time.
 *
 * <p>Owns its threads, all of them daemons, and runs transactions of its own on {@link
 * Transactions}: per queue one at a time to claim, one to write results, one each for upkeep. It
 * keeps itself alive on a {@code DataSource} apart. A database that is away costs failed passes,
 * and the worker goes on by itself. Due times and leases are decided by the database's clock. Uses
 * no session state: works behind PgBouncer in transaction mode. Safe for several threads; started
 * once, stopped once.
 */
public final class JobWorker implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(JobWorker.class);
  private static final Duration AFTER_INTERRUPT = Duration.ofSeconds(1);
  private static final Duration LOOK = Duration.ofMillis(50);

  /** No queue has such a name. */
  private static final String ALL_QUEUES = "*";

  /** Announced when jobs with partition keys were enqueued. */
  static final String ALL_KEYS = "*keys";

  private static final Duration FLUSH = Duration.ofSeconds(2);

  private final String name;
  private final Registration registration;
  private final Settler settler;
  private final HandOver handOver;
  private final Upkeep upkeep;
  private final Activity activity;
  private final KeyAdmission keys;
  private final Cancellations cancellations;
  private final Leftovers leftovers;
  private final List<Work> queues = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private final List<AttemptRunner> runners = new ArrayList<>();
  private final BackgroundLoop deadlines;
  private final AtomicBoolean started = new AtomicBoolean();
  private final AtomicBoolean stopping = new AtomicBoolean();
  private final AtomicBoolean interrupted = new AtomicBoolean();
  private final Duration closeDeadline;
  private final List<JobQueue> wakers;
  private final @Nullable WakeUps wakeUps;
  private final Consumer<String> woken = this::woken;
  private volatile long stopAt;

  private JobWorker(Builder builder) {
    this.name = builder.name;
    this.closeDeadline = builder.closeDeadline;
    this.wakers = List.copyOf(builder.wakers);
    this.wakeUps = builder.wakeUps;
    this.activity = new Activity(name, builder.transactions, builder.schema, builder.registry);
    WorkMeters meters = builder.workMeters(activity);
    WorkerSql workerSql = new WorkerSql(builder.schema);
    ClaimSql claimSql = new ClaimSql(builder.schema);
    SettleSql settleSql =
        builder.settleSql == null
            ? new SettleSql(builder.schema, builder.lease)
            : builder.settleSql;
    this.registration =
        new Registration(
            name,
            builder.transactions,
            builder.heartbeats,
            workerSql,
            builder.node,
            builder.lease,
            meters,
            builder.registry);
    this.settler =
        new Settler(name, builder.transactions, settleSql, builder.node, meters, builder.registry);
    this.handOver =
        new HandOver(
            name, builder.schema, builder.transactions, registration, settler, builder.registry);
    this.upkeep =
        new Upkeep(
            name,
            builder.transactions,
            workerSql,
            new RetentionSql(builder.schema),
            builder.retention,
            builder.lease,
            builder.pollInterval,
            this::broughtBack,
            meters,
            builder.registry);
    this.keys =
        new KeyAdmission(
            name,
            builder.transactions,
            new KeySql(builder.schema),
            builder.lease,
            builder.pollInterval,
            this::broughtBack,
            builder.registry);
    LimitSql limitSql = new LimitSql(builder.schema);
    Board.Reader boards = new Board.Reader(builder.transactions, limitSql, builder.pollInterval);
    this.cancellations =
        new Cancellations(
            name,
            builder.transactions,
            new CancelSql(builder.schema),
            boards,
            builder.lease,
            builder.pollInterval,
            reasons -> runners.forEach(runner -> runner.cancel(reasons)),
            builder.registry);
    this.leftovers =
        new Leftovers(
            name,
            builder.transactions,
            new UniqueSql(builder.schema),
            settleSql.reports(),
            builder.retention.ofFinished(),
            builder.lease,
            builder.registry);
    Map<String, Handling<?>> handlings = Map.copyOf(builder.handlings);
    Map<String, ClaimPermit> permits = new HashMap<>();
    handlings.forEach(
        (kind, handling) -> handling.permit().ifPresent(one -> permits.put(kind, one)));
    int number = 0;
    for (Map.Entry<String, Integer> queue : builder.queues().entrySet()) {
      Work work =
          new Work(
              "jobs-" + name + "-claim-" + ++number,
              queue.getKey(),
              queue.getValue(),
              handlings.keySet(),
              Map.copyOf(permits),
              boards,
              builder.lease,
              new PollPace(builder.pollInterval, builder.wakeUps),
              builder.transactions,
              claimSql,
              limitSql,
              registration,
              settler,
              meters,
              builder.registry);
      meters.watch(queue.getKey(), work);
      queues.add(work);
      for (int i = 1; i <= queue.getValue(); i++) {
        AttemptRunner runner =
            new AttemptRunner(work, handlings, registration, settleSql, settler, meters, stopping);
        runners.add(runner);
        threads.add(builder.threadFactory.newThread(runner));
      }
    }
    this.deadlines =
        BackgroundLoop.builder("jobs-" + name + "-deadline", this::checkDeadlines)
            .idlePause(LOOK, LOOK)
            .meterRegistry(builder.registry)
            .build();
  }

  /**
   * Begins the definition.
   *
   * @param heartbeats a small {@code DataSource} of its own, of one or two connections, with a
   *     {@code socketTimeout} shorter than the lease: the pool of the work may be exhausted by it
   */
  public static Builder builder(Transactions transactions, DataSource heartbeats) {
    return new Builder(transactions, heartbeats);
  }

  /** The parts of this worker, which must not have been started, for the calling thread. */
  private ManualDrive drive(Builder builder, ManualDrive.Counts counts) {
    List<ManualDrive.Lane> lanes = new ArrayList<>();
    for (Work work : queues) {
      runners.stream()
          .filter(runner -> runner.isOf(work))
          .findFirst()
          .ifPresent(runner -> lanes.add(new ManualDrive.Lane(work, runner)));
    }
    return new ManualDrive(
        builder.transactions,
        builder.schema,
        registration,
        settler,
        upkeep,
        keys,
        lanes,
        counts,
        this);
  }

  /** What {@link #stop} does at its end, for a worker that was not started. */
  void closeUnstarted() {
    stopping.set(true);
    if (settler.pending() == 0) {
      unregister();
    }
    registration.close();
  }

  private Pass checkDeadlines() {
    runners.forEach(AttemptRunner::checkDeadline);
    return Pass.idle();
  }

  /**
   * Starts the threads. Asks no database: where there is none yet, the worker tries until there is.
   *
   * @throws PgBelayException if it was started or stopped before
   */
  public void start() {
    if (stopping.get() || started.getAndSet(true)) {
      throw new PgBelayException(
          "worker '" + name + "' was started or stopped before: build a new one to start again");
    }
    settler.start();
    upkeep.start();
    activity.start();
    keys.start();
    cancellations.start();
    leftovers.start();
    queues.forEach(Work::start);
    deadlines.start();
    threads.forEach(Thread::start);
    if (!wakers.isEmpty()) {
      handOver.start();
    }
    wakers.forEach(waker -> waker.addWorker(this));
    if (wakeUps != null) {
      wakeUps.addListener(woken);
    }
  }

  /** Looks for jobs at once, as after an enqueue that is known to have committed. */
  public void wakeUp() {
    queues.forEach(Work::wakeUp);
    keys.wakeUp();
  }

  /** Jobs with partition keys were enqueued. */
  void wakeKeys() {
    keys.wakeUp();
  }

  /**
   * Enqueues a job that is due as claimed by this worker, if it has a thread free and no other job.
   *
   * @return the job's id; empty if it is to be enqueued as others are
   */
  OptionalLong enqueue(Tx tx, String schema, NewJob<?> job, byte[] payload) throws SQLException {
    for (Work work : queues) {
      if (work.queue().equals(job.queue())) {
        return handOver.enqueue(tx, schema, work, job, payload);
      }
    }
    return OptionalLong.empty();
  }

  /** Jobs of any queues have become ready that were not: this process and others may run them. */
  private void broughtBack() {
    wakeUp();
    if (wakeUps != null) {
      wakeUps.announce(ALL_QUEUES);
    }
  }

  private void woken(String queue) {
    if (queue.isEmpty() || queue.equals(ALL_QUEUES)) {
      wakeUp();
    } else if (queue.equals(ALL_KEYS)) {
      wakeKeys();
    } else {
      wakeUp(queue);
    }
  }

  void wakeUp(String queue) {
    for (Work work : queues) {
      if (work.queue().equals(queue)) {
        work.wakeUp();
      }
    }
  }

  /** How a job has ended, of which a record is kept. */
  public enum Ended {
    /** Its work was done. */
    DONE("done"),
    /** Its handler gave it up. */
    DISCARDED("discarded"),
    /** Somebody cancelled it. */
    CANCELLED("cancelled"),
    /** It failed for good. */
    DEAD("dead");

    private final String column;

    Ended(String column) {
      this.column = column;
    }

    String column() {
      return column;
    }
  }

  /**
   * How a stop ended.
   *
   * @param stillRunning handlers that do not heed their interrupt; their jobs are handed to others
   *     once the lease is over, and what they write then is refused
   * @param unwritten results that could not be written; their jobs run again once the lease is over
   */
  public record StopReport(int stillRunning, int unwritten) {
    /** Whether every job that was claimed is finished or handed back. */
    public boolean isClean() {
      return stillRunning == 0 && unwritten == 0;
    }
  }

  /**
   * Claims nothing more, hands back what waits, lets handlers end until the deadline, then
   * interrupts them and waits one second more; writes what became of all of them. Handlers that end
   * by the interrupt have their jobs handed back, without an attempt counted. A second call with a
   * shorter deadline makes the first one shorter; zero interrupts at once.
   */
  public StopReport stop(Duration deadline) {
    long until = System.nanoTime() + deadline.toNanos();
    boolean first = !stopping.getAndSet(true);
    if (first || until - stopAt < 0) {
      stopAt = until;
    }
    if (!started.get()) {
      return new StopReport(0, 0);
    }
    wakers.forEach(waker -> waker.removeWorker(this));
    handOver.stop();
    if (wakeUps != null) {
      wakeUps.removeListener(woken);
    }
    for (Work queue : queues) {
      queue.stopFetching(Duration.ofSeconds(5));
    }
    await(0);
    if (alive() > 0) {
      int running = queues.stream().mapToInt(Work::running).sum();
      if (running > 0 && !interrupted.getAndSet(true)) {
        LOG.warn("worker '{}': {} handlers did not end in time, interrupting them", name, running);
      }
      threads.stream().filter(Thread::isAlive).forEach(Thread::interrupt);
      await(AFTER_INTERRUPT.toNanos());
    }
    settler.drain(System.nanoTime() + FLUSH.toNanos());
    deadlines.close();
    handOver.close();
    upkeep.close();
    keys.close();
    cancellations.close();
    leftovers.close();
    settler.close();
    activity.close();
    if (settler.pending() == 0) {
      unregister();
    }
    registration.close();
    StopReport report = new StopReport(alive(), settler.pending());
    if (!report.isClean()) {
      LOG.error("worker '{}' stopped with {}: others take over after the lease", name, report);
    }
    return report;
  }

  /** Until the threads have ended, or the deadline, which another stop may shorten, and a bit. */
  private void await(long longer) {
    boolean wasInterrupted = false;
    while (alive() > 0 && stopAt + longer - System.nanoTime() > 0) {
      try {
        TimeUnit.MILLISECONDS.sleep(5);
      } catch (InterruptedException e) {
        wasInterrupted = true;
        stopAt = System.nanoTime();
      }
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private int alive() {
    return (int) threads.stream().filter(Thread::isAlive).count();
  }

  private void unregister() {
    try {
      registration.end();
    } catch (RuntimeException | SQLException e) {
      LOG.info("worker '{}' could not sign off; its row expires by itself", name, e);
    }
  }

  /** {@link #stop} with the deadline of {@link Builder#closeDeadline}. */
  @Override
  public void close() {
    stop(closeDeadline);
  }

  /** Options of a {@link JobWorker}. Not thread-safe. */
  public static final class Builder {
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
    private ThreadFactory threadFactory = Builder::daemon;
    private @Nullable MeterRegistry registry;
    private @Nullable WakeUps wakeUps;
    private @Nullable SettleSql settleSql;
    private @Nullable WorkMeters meters;

    static {
      ManualAccess.register(
          (builder, around, concurrency) -> {
            ManualDrive.Counts counts = new ManualDrive.Counts();
            Builder other = builder.forManualUse(around, concurrency, counts);
            return other.build().drive(other, counts);
          });
    }

    private Builder(Transactions transactions, DataSource heartbeats) {
      this.transactions = transactions;
      this.heartbeats = heartbeats;
    }

    private static Thread daemon(Runnable work) {
      Thread thread = new Thread(work, "pgbelay-job");
      thread.setDaemon(true);
      return thread;
    }

    /** Of the threads and their metrics; needed where a process has several workers. */
    public Builder name(String ofWorker) {
      this.name = OptionName.require(ofWorker, 32);
      return this;
    }

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String ofTables) {
      this.schema = ofTables;
      return this;
    }

    /**
     * What this process calls itself in the record of failures; process id and host unless said.
     */
    public Builder node(String label) {
      this.node = label;
      return this;
    }

    /** A kind of jobs that this worker runs; others are left to other workers. */
    public <P> Builder handle(JobKind<P> kind, JobHandler<P> handler) {
      return handle(kind, RetryPolicy.defaults(), handler);
    }

    /**
     * {@link #handle(JobKind, JobHandler)} with a retry policy of its own.
     *
     * @throws PgBelayException if the kind has a handler
     */
    public <P> Builder handle(JobKind<P> kind, RetryPolicy retry, JobHandler<P> handler) {
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
    public Builder deadline(JobKind<?> kind, Duration time) {
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
    public Builder permit(JobKind<?> kind, ClaimPermit admitting) {
      handlings.put(kind.name(), handled(kind).under(admitting));
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
    public Builder queue(String queueName, int concurrency) {
      Options.requireName("queue", queueName);
      Options.require("concurrency of queue '" + queueName + "'", concurrency, 1, 1_000);
      if (queues.putIfAbsent(queueName, concurrency) != null) {
        throw new PgBelayException("queue '" + queueName + "' is named twice");
      }
      return this;
    }

    private Map<String, Integer> queues() {
      return queues.isEmpty() ? Map.of(NewJob.DEFAULT_QUEUE, 16) : queues;
    }

    /**
     * How long this process may not be heard of before its jobs are given to others: 1 second to 1
     * hour, 30 seconds unless said. It is heard of three times in that time, whatever its jobs
     * take.
     */
    public Builder lease(Duration time) {
      Options.require("lease", time, Duration.ofSeconds(1), Duration.ofHours(1));
      this.lease = time;
      return this;
    }

    /** Between two looks at an empty queue: 10 ms to 1 minute, 1 s unless said. */
    public Builder pollInterval(Duration interval) {
      Options.require("pollInterval", interval, Duration.ofMillis(10), Duration.ofMinutes(1));
      this.pollInterval = interval;
      return this;
    }

    /**
     * How long the records of finished jobs are kept at least, in whole days: 1 to 28, 7 unless
     * said. Of several workers with different ones the shortest holds. Needs TRUNCATE on the tables
     * of days; without it, that loop fails and all else goes on.
     */
    public Builder retention(Duration ofFinished) {
      this.retention = retention.ofFinished(ofFinished);
      return this;
    }

    /**
     * How long the records of one outcome are kept at least, in whole days up to ten years, where
     * that is longer than the others'; of dead letters, which are kept until somebody decides
     * unless this is said. Of several workers with different ones the shortest holds.
     */
    public Builder retention(Ended outcome, Duration time) {
      this.retention = retention.of(outcome, time);
      return this;
    }

    /**
     * Looks for jobs at once when a transaction has committed in which {@code enqueuing} added some
     * to one of this worker's queues; needed only where both are in one process, and only sooner
     * than the poll interval. A single job that is enqueued while a thread is free and nothing
     * waits is enqueued as claimed by this worker, and begins right after its commit without a look
     * at the queue; if that transaction was opened by {@link Transactions}. May be called for
     * several.
     */
    public Builder wokenBy(JobQueue enqueuing) {
      wakers.add(enqueuing);
      return this;
    }

    /**
     * Looks for jobs at once when another process has committed some, and polls ten times more
     * seldom, at most every minute, while notifications are known to arrive. The caller starts and
     * closes it.
     */
    public Builder wokenBy(WakeUps notifications) {
      this.wakeUps = notifications;
      return this;
    }

    /** What {@link JobWorker#close()} gives to handlers: up to an hour, 30 s unless said. */
    public Builder closeDeadline(Duration time) {
      Options.require("closeDeadline", time, Duration.ZERO, Duration.ofHours(1));
      this.closeDeadline = time;
      return this;
    }

    /**
     * Makes the threads that run handlers; daemons unless said. On Java 21 and later {@code
     * Thread.ofVirtual().factory()} serves.
     */
    public Builder threadFactory(ThreadFactory factory) {
      this.threadFactory = factory;
      return this;
    }

    /** Tells of each job; may be called for several. */
    public Builder listener(JobListener watching) {
      listeners.add(watching);
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /** For tests that take a fence away. */
    Builder settleSql(SettleSql other) {
      this.settleSql = other;
      return this;
    }

    private WorkMeters workMeters(Activity activity) {
      if (meters != null) {
        return meters;
      }
      List<WorkMeters> all = new ArrayList<>(List.of(activity));
      if (registry != null) {
        all.add(new WorkMeters.OfMicrometer(registry));
      }
      listeners.forEach(listener -> all.add(new EventMeters(listener)));
      return all.size() == 1 ? activity : new AllMeters(all);
    }

    /** The same options with other handlers and meters; for the test kit. */
    private Builder forManualUse(ManualAccess.Around around, int concurrency, WorkMeters counts) {
      Builder other = new Builder(transactions, heartbeats);
      handlings.forEach((kind, handling) -> other.handlings.put(kind, handling.around(around)));
      queues().keySet().forEach(queue -> other.queues.put(queue, concurrency));
      other.name = name;
      other.schema = schema;
      other.node = node;
      other.lease = lease;
      other.settleSql = settleSql;
      other.meters = counts;
      return other;
    }

    /**
     * Checks the options; asks no database.
     *
     * @throws PgBelayException if there is no handler
     */
    public JobWorker build() {
      if (handlings.isEmpty()) {
        throw new PgBelayException(
            "worker '" + name + "' has no handler: name a kind with handle(kind, handler)");
      }
      return new JobWorker(this);
    }
  }
}
