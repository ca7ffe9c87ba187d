package dev.pgbelay.jobqueue;

import static java.util.stream.Collectors.toSet;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Adds jobs in the caller's transaction: they are there exactly if it commits, and nobody sees them
 * before. A rollback, also to a savepoint, takes them away.
 *
 * <p>Owns no threads and no connections, and never ends a transaction. Due times are reckoned by
 * the database's clock at the moment of the statement. Needs the tables of module {@code jobqueue}
 * (see {@link SchemaInstaller}). Safe for several threads.
 */
public final class JobQueue {
  private static final int MOST_ROWS = 5_000;
  private static final long MOST_BYTES = 8L << 20;

  private final String schema;
  private final EnqueueSql sql;
  private final int payloadLimit;
  private final @Nullable Counter enqueued;
  private final @Nullable WakeUps announced;
  private final List<JobWorker> workers = new CopyOnWriteArrayList<>();

  private JobQueue(Builder builder) {
    this.schema = builder.schema;
    this.sql = new EnqueueSql(builder.schema);
    this.payloadLimit = builder.payloadLimit;
    this.announced = builder.announced;
    this.enqueued =
        builder.registry == null
            ? null
            : Counter.builder("pgbelay.jobqueue.enqueued")
                .description("Jobs added, by transactions that may still roll back")
                .register(builder.registry);
  }

  /** With default settings. */
  public static JobQueue create() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * Adds one job; one round trip.
   *
   * @return its id
   * @throws PgBelayException if the payload is larger than the limit
   * @throws DataAccessException if the database refuses; PostgreSQL then refuses all further
   *     statements of this transaction, or of its last savepoint
   */
  public <P> long enqueue(Tx tx, NewJob<P> job) {
    byte[] payload = encode(job);
    if (job.runAt().isPresent() || !job.delay().isZero()) {
      return send(tx, List.of(job), new byte[][] {payload})[0];
    }
    StatementStart.announce(tx.dsl().configuration());
    try {
      for (JobWorker worker : workers) {
        OptionalLong handedOver = worker.enqueue(tx, schema, job, payload);
        if (handedOver.isPresent()) {
          count(1);
          return handedOver.getAsLong();
        }
      }
      long id = sql.enqueueNow(tx.connection(), job, payload);
      count(1);
      wakeAfterCommit(tx, Set.of(job.queue()));
      return id;
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  /**
   * Adds many jobs, of one or several kinds and queues, in a statement for each 5,000 jobs or 8 MiB
   * of payload. Jobs that differ in nothing but their payload are the fastest.
   *
   * @return their ids, in the order of the jobs
   * @throws PgBelayException if a payload is larger than the limit; nothing was added then
   * @throws DataAccessException as {@link #enqueue}
   */
  public List<Long> enqueueAll(Tx tx, List<? extends NewJob<?>> jobs) {
    byte[][] payloads = new byte[jobs.size()][];
    for (int i = 0; i < payloads.length; i++) {
      payloads[i] = encode(jobs.get(i));
    }
    List<Long> ids = new ArrayList<>(payloads.length);
    int from = 0;
    while (from < payloads.length) {
      int to = from;
      long bytes = 0;
      while (to < payloads.length && to - from < MOST_ROWS && (to == from || bytes < MOST_BYTES)) {
        bytes += payloads[to++].length;
      }
      byte[][] part = new byte[to - from][];
      System.arraycopy(payloads, from, part, 0, part.length);
      for (long id : send(tx, jobs.subList(from, to), part)) {
        ids.add(id);
      }
      from = to;
    }
    return ids;
  }

  /** What became of a call about a job that waits. */
  public enum Change {
    /** It was done. */
    DONE,
    /** The job is running, or was until just now; nothing was done. */
    RUNNING,
    /** There is no such job: it is finished, or a dead letter, or never was. */
    NOT_FOUND
  }

  /**
   * Ends a job that waits; the record of it says cancelled. Waits for a claim of it that is under
   * way.
   *
   * @param reason kept with the record
   */
  public Change cancel(Tx tx, long id, String reason) {
    StatementStart.announce(tx.dsl().configuration());
    try {
      return sql.cancel(tx.connection(), id, reason);
    } catch (SQLException e) {
      throw new DataAccessException(
          "job " + id + " was not cancelled: SQLSTATE " + e.getSQLState(), e);
    }
  }

  /**
   * Moves a job that waits to another time, also one that waits for its next attempt. One in the
   * past makes it as old as that.
   *
   * @throws PgBelayException if the moment is before 1970 or after 2200
   */
  public Change reschedule(Tx tx, long id, Instant at) {
    NewJob.requireStorable(at);
    StatementStart.announce(tx.dsl().configuration());
    try {
      return sql.reschedule(tx.connection(), id, at);
    } catch (SQLException e) {
      throw new DataAccessException(
          "job " + id + " was not rescheduled: SQLSTATE " + e.getSQLState(), e);
    }
  }

  private long[] send(Tx tx, List<? extends NewJob<?>> jobs, byte[][] payloads) {
    NewJob<?> first = jobs.get(0);
    boolean alike =
        first.runAt().isEmpty()
            && first.delay().isZero()
            && jobs.stream().allMatch(job -> job.isLike(first));
    StatementStart.announce(tx.dsl().configuration());
    try {
      long[] ids =
          alike
              ? sql.enqueueLike(tx.connection(), first, payloads)
              : sql.enqueueEach(tx.connection(), jobs, payloads);
      count(ids.length);
      if (isHeard()) {
        wakeAfterCommit(
            tx, alike ? Set.of(first.queue()) : jobs.stream().map(NewJob::queue).collect(toSet()));
      }
      return ids;
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  private void wakeAfterCommit(Tx tx, Set<String> queues) {
    if (!isHeard()) {
      return;
    }
    try {
      tx.afterCommit(commit -> wake(queues));
    } catch (TransactionException noCallback) {
      // A joined transaction whose owner tells nobody of its commit: the workers poll.
      return;
    }
  }

  private boolean isHeard() {
    return announced != null || !workers.isEmpty();
  }

  private void wake(Set<String> queues) {
    workers.forEach(worker -> queues.forEach(worker::wakeUp));
    if (announced != null) {
      queues.forEach(announced::announce);
    }
  }

  void addWorker(JobWorker worker) {
    workers.add(worker);
  }

  void removeWorker(JobWorker worker) {
    workers.remove(worker);
  }

  private void count(int jobs) {
    if (enqueued != null) {
      enqueued.increment(jobs);
    }
  }

  private <P> byte[] encode(NewJob<P> job) {
    byte[] payload = job.kind().codec().encode(job.payload());
    if (payload.length > payloadLimit) {
      throw new PgBelayException(
          "the payload of a job of kind '"
              + job.kind().name()
              + "' has "
              + payload.length
              + " bytes, the limit is "
              + payloadLimit
              + ": store it elsewhere and enqueue its key, or raise payloadLimit");
    }
    return payload;
  }

  private static DataAccessException refused(SQLException e) {
    return new DataAccessException("jobs were not enqueued: SQLSTATE " + e.getSQLState(), e);
  }

  /** Options of a {@link JobQueue}. Not thread-safe. */
  public static final class Builder {
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private int payloadLimit = 256 << 10;
    private @Nullable WakeUps announced;
    private @Nullable MeterRegistry registry;

    private Builder() {}

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /** The largest payload in bytes, once encoded: 1 to 64 MiB, 256 KiB unless said. */
    public Builder payloadLimit(int bytes) {
      Options.require("payloadLimit", bytes, 1, 64 << 20);
      this.payloadLimit = bytes;
      return this;
    }

    /**
     * Tells workers of other processes after each commit that added jobs; they poll otherwise. The
     * caller starts and closes it.
     */
    public Builder announcedBy(WakeUps wakeUps) {
      this.announced = wakeUps;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public JobQueue build() {
      return new JobQueue(this);
    }
  }
}
