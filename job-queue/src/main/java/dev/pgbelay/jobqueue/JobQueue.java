package dev.pgbelay.jobqueue;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Adds jobs in the caller's transaction: they are there exactly if it commits, and nobody sees them
 * before. A rollback, also to a savepoint, takes them away.
 *
 * <p>Owns no threads and no connections, and never ends a transaction that it is given. Due times
 * are reckoned by the database's clock at the moment of the statement. Needs the tables of module
 * {@code jobqueue} (see {@link SchemaInstaller}). Safe for several threads.
 */
public final class JobQueue {
  private final String schema;
  private final Enqueuer enqueuer;
  private final WaitingSql waiting;
  private final CancelSql cancels;

  private JobQueue(Builder builder) {
    this.schema = builder.schema;
    this.enqueuer =
        new Enqueuer(builder.schema, builder.payloadLimit, builder.announced, builder.registry);
    this.waiting = new WaitingSql(builder.schema);
    this.cancels = new CancelSql(builder.schema);
  }

  /** With default settings. */
  public static JobQueue create() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * Adds one job; one round trip, two or four with a unique key.
   *
   * @return its id, or the id of the job that has its unique key; {@link #offer} tells which
   * @throws PgBelayException if the payload is larger than the limit
   * @throws DataAccessException if the database refuses; PostgreSQL then refuses all further
   *     statements of this transaction, or of its last savepoint
   */
  public <P> long enqueue(Tx tx, NewJob<P> job) {
    return enqueuer.add(tx, job);
  }

  /**
   * Adds one job in a transaction of its own, which is committed when this returns: for a job that
   * is all there is to write. One round trip, where {@link #enqueue(Tx, NewJob)} in a transaction
   * is two; a job that is for later, or has keys, tags or a deadline, is enqueued in an ordinary
   * transaction. Blocks for a connection.
   *
   * @return its id, or the id of the job that has its unique key
   * @throws OutcomeUnknownException if the connection was lost and the job may be there or not.
   *     Enqueuing it again may add it twice; a unique key with a period keeps it from that
   * @throws TransactionException if there is no connection, or this thread is inside a transaction
   *     on the same {@code DataSource}: pass that one
   * @throws PgBelayException if the payload is larger than the limit
   * @throws DataAccessException if the database refuses; nothing was added then
   */
  public <P> long enqueue(Transactions transactions, NewJob<P> job) {
    return enqueuer.addAlone(transactions, job);
  }

  /**
   * Adds many jobs, of one or several kinds and queues, in a statement for each 5,000 jobs or 8 MiB
   * of payload. Jobs that differ in nothing but their payload are the fastest; from 5,000 of them
   * on they go by COPY, 50,000 or 8 MiB at once, if this role may draw ids from their sequence.
   *
   * @return their ids, in the order of the jobs; with unique keys as {@link #enqueue}
   * @throws PgBelayException if a payload is larger than the limit; nothing was added then
   * @throws DataAccessException as {@link #enqueue}
   */
  public List<Long> enqueueAll(Tx tx, List<? extends NewJob<?>> jobs) {
    return enqueuer.addAll(tx, jobs);
  }

  /** What became of a job that was offered. */
  public record Enqueued(long id, Outcome outcome) {
    /** Whether it is a new one. */
    public enum Outcome {
      /** The job was added; the id is its own. */
      INSERTED,
      /** Another job has the unique key; the id is that one's, and nothing was added. */
      EXISTING
    }
  }

  /**
   * Adds one job unless another has its unique key, and says which.
   *
   * <p>Two transactions that offer the same key do not both add: the second waits for the first to
   * end. Several keys in several calls can therefore deadlock, as any rows can, when another
   * transaction offers them in another order; {@link #offerAll} takes them in one order. Under
   * {@code REPEATABLE READ} and {@code SERIALIZABLE} the second gets a serialization failure, which
   * a retry of the transaction cures.
   *
   * @throws PgBelayException as {@link #enqueue}
   * @throws DataAccessException as {@link #enqueue}
   */
  public Enqueued offer(Tx tx, NewJob<?> job) {
    return offerAll(tx, List.of(job)).get(0);
  }

  /** {@link #offer} for many; of those with the same key the first is added, if any. */
  public List<Enqueued> offerAll(Tx tx, List<? extends NewJob<?>> jobs) {
    return enqueuer.offerAll(tx, jobs);
  }

  /** What became of a call about a job that waits. */
  public enum Change {
    /** It was done. */
    DONE,
    /** The job is running, or was until just now; nothing was done. */
    RUNNING,
    /** The job runs: its handler is told, see {@link #cancel}. */
    REQUESTED,
    /** There is no such job: it is finished, or a dead letter, or never was. */
    NOT_FOUND
  }

  /**
   * Ends a job that waits; the record of it says cancelled. One that runs is told so: its worker
   * sees that within a poll interval, interrupts the handler's thread once and makes {@link
   * JobContext#isCancelled} true. If the handler then ends otherwise than with done or discard, the
   * job is finished as cancelled; if its worker dies, it is not run again.
   *
   * @param reason kept with the record
   * @return {@code DONE}, {@code REQUESTED} of a job that runs, or {@code NOT_FOUND}
   */
  public Change cancel(Tx tx, long id, String reason) {
    StatementStart.announce(tx.dsl().configuration());
    try {
      return cancels.request(tx.connection(), id, reason);
    } catch (SQLException e) {
      throw TablesSql.REFUSED.of("job " + id + " was not cancelled", e);
    }
  }

  /**
   * {@link #cancel} for a job that waits only. Waits for a claim of it that is under way.
   *
   * @param reason kept with the record
   * @return {@code DONE}, {@code RUNNING} of a job that runs, and runs on, or {@code NOT_FOUND}
   */
  public Change cancelWaiting(Tx tx, long id, String reason) {
    StatementStart.announce(tx.dsl().configuration());
    try {
      return waiting.cancel(tx.connection(), id, reason);
    } catch (SQLException e) {
      throw TablesSql.REFUSED.of("job " + id + " was not cancelled", e);
    }
  }

  /**
   * What the handler of a job has told last. Kept as long as the job, and the retention after that.
   *
   * @param writtenAt by the database's clock
   * @param percent of the work
   * @param note of how far it is
   * @param output what came out of it
   */
  public record Report(
      Instant writtenAt,
      Optional<Integer> percent,
      Optional<String> note,
      Optional<byte[]> output) {}

  /** What the handler of a job has told, if it has; one statement. */
  public Optional<Report> report(DSLContext dsl, long id) {
    return ReportSql.read(dsl, schema, id);
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
      return waiting.reschedule(tx.connection(), id, at);
    } catch (SQLException e) {
      throw TablesSql.REFUSED.of("job " + id + " was not rescheduled", e);
    }
  }

  /** Of its tables. */
  public String schema() {
    return schema;
  }

  void addWorker(JobWorker worker) {
    enqueuer.alarm().add(worker);
  }

  void removeWorker(JobWorker worker) {
    enqueuer.alarm().remove(worker);
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
