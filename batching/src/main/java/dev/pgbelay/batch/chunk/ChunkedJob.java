package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.JobPlan.Sizing;
import dev.pgbelay.batch.chunk.JobPlan.Timing;
import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.schema.SchemaInstaller;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.UniqueKey;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * Works over a table range by range of its key: deletes, updates, copies, or runs a function, in
 * short transactions, for as long as it takes.
 *
 * <p><b>Guarantee.</b> A chunk's work and the job's progress are one transaction. Whatever dies in
 * between (the connection, the process, the server, the answer to a COMMIT), the next run goes on
 * exactly behind what was committed: no range is worked on twice, none is left out. That holds for
 * what the work does through the chunk's transaction. Only one runner acts at a time, held by a
 * lease on the database's clock; one that was away for longer is refused at its next chunk, whose
 * transaction rolls back ({@link LeaseLostException}).
 *
 * <p><b>Rows that come meanwhile.</b> A row that is committed with a key behind the position is not
 * worked on; one before it is. That includes a row of a transaction that was open while the job
 * passed its key. Run a purge again; let writers write the new form before a back-fill begins.
 *
 * <p>{@link #run()} blocks the calling thread until the end, with one connection at a time, none
 * while it waits. No session state: works behind PgBouncer in transaction mode. Chunks run with
 * {@code DateStyle} ISO, {@code IntervalStyle} postgres, {@code bytea_output} hex and {@code
 * extra_float_digits} 1, so that a position means the same to whoever goes on. Needs the table of
 * module {@code batch} (see {@link SchemaInstaller}). Immutable and safe for several threads; two
 * runs of one job at once are two runners, of which one is turned away.
 */
public final class ChunkedJob {
  private final JobPlan plan;
  private final Claimant claimant = Claimant.random();

  private ChunkedJob(JobPlan plan) {
    this.plan = plan;
  }

  /**
   * Begins the definition of a job.
   *
   * @param name under which the progress is kept, one for each table and schema; also a tag of the
   *     metrics, so from a small set
   * @param table a table (or partitioned table) without an alias
   */
  public static Builder over(Transactions transactions, String name, Table<?> table) {
    return new Builder(transactions, name, table);
  }

  /**
   * Works until the job is done, cancelled, or this thread interrupted. Takes up an unfinished job
   * where it stands. Passing failures are outwaited for {@code patience}; a chunk that runs into a
   * timeout is tried again smaller.
   *
   * @throws JobRefusedException before anything is written, if the job must not run as it is
   * @throws LeaseLostException if another runner took over; nothing of this chunk was committed
   * @throws RuntimeException from the work or the database, as it is; the position is kept, and the
   *     claim given back if the database can be reached
   */
  public ChunkReport run() {
    return new ChunkRunner(plan, new JobSql(plan.schema(), plan.name()), claimant.next()).run();
  }

  ChunkReport run(JobSql sql) {
    return new ChunkRunner(plan, sql, claimant.next()).run();
  }

  /** Refuses what {@link #run()} would refuse before its claim. */
  void requireRunnable() {
    new JobCheck(plan).requireRunnable();
  }

  /** To look at the job and steer it. */
  public JobControl control() {
    return JobControl.of(plan.transactions(), plan.schema(), plan.name());
  }

  /**
   * What a run would meet.
   *
   * @param rows that the planner expects under the filter; an estimate, nothing is counted
   * @param index that walks the key
   * @param firstRows of the first chunk
   * @param chunks at that size, at least
   * @param plan of the statement that finds the rows of a chunk, as EXPLAIN prints it
   */
  public record DryRun(long rows, String index, int firstRows, long chunks, String plan) {}

  /**
   * Checks everything and changes nothing. One short read-only transaction.
   *
   * @throws JobRefusedException as {@link #run()} would
   */
  public DryRun dryRun() {
    return new JobCheck(plan).dryRun();
  }

  /**
   * Counts the rows that a run would meet now, in one read-only statement over all of them: a
   * {@link DryRun} only estimates.
   *
   * @param atMost how long that may take
   * @throws RuntimeException of kind {@code STATEMENT_TIMEOUT} or {@code DEADLINE_EXCEEDED} if it
   *     takes longer
   */
  public long count(Duration atMost) {
    return new JobCheck(plan).count(atMost);
  }

  /** Collects what a job does. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final String name;
    private final Table<?> table;
    private final List<ThrottleSignal> signals = new ArrayList<>(ThrottleSignal.defaults());
    private Condition filter = DSL.noCondition();
    private List<Field<?>> key;
    private @Nullable JobWork work;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration target = Duration.ofMillis(500);
    private Rows rows = new Rows(500, 10, 50_000);
    private Duration lease = Duration.ofSeconds(30);
    private Duration chunkTimeout = Duration.ofSeconds(20);
    private Duration lockTimeout = Duration.ofSeconds(2);
    private Duration poll = Duration.ofMillis(500);
    private Duration signalInterval = Duration.ofSeconds(1);
    private Duration stuckAfter = Duration.ofMinutes(15);
    private Duration patience = Duration.ofMinutes(5);
    private @Nullable Long maxRowsPerSecond;
    private boolean restartWhenDone;
    private @Nullable MeterRegistry registry;
    private @Nullable Consumer<? super JobControl.Status> onProgress;

    private record Rows(int first, int min, int max) {}

    private Builder(Transactions transactions, String name, Table<?> table) {
      this.transactions = transactions;
      this.name = name;
      this.table = table;
      UniqueKey<?> primary = table.getPrimaryKey();
      this.key = primary == null ? List.of() : List.copyOf(primary.getFields());
    }

    /** Only the rows for which this holds. Several calls: all must hold. */
    public Builder where(Condition condition) {
      this.filter = filter.and(condition);
      return this;
    }

    /**
     * The columns to walk by: NOT NULL, together unique, and the leading columns of an index. The
     * primary key where jOOQ knows it; a purge by age walks best by (time, primary key).
     */
    public Builder key(Field<?>... columns) {
      this.key = List.of(columns);
      return this;
    }

    /** Deletes the rows. */
    public Builder delete() {
      this.work = JobWork.delete();
      return this;
    }

    /**
     * Updates the rows.
     *
     * @param assignments column → value or expression over the row; none of the key
     */
    public Builder update(Map<? extends Field<?>, ?> assignments) {
      this.work = JobWork.update(assignments);
      return this;
    }

    /**
     * Inserts a row into another table for each row.
     *
     * @param columns column of {@code target} → field or expression over the walked row
     */
    public Builder insertInto(
        Table<?> target, Map<? extends Field<?>, ? extends Field<?>> columns) {
      if (target.getQualifiedName().equals(table.getQualifiedName())) {
        throw new JobRefusedException(
            Reason.WALKS_ITS_OWN_ROWS,
            "job '"
                + name
                + "': inserts into "
                + table.getName()
                + ", which it walks: it would meet its own rows and never end. Insert into another"
                + " table");
      }
      this.work = JobWork.insertInto(target, columns);
      return this;
    }

    /**
     * Runs a function on each range.
     *
     * @param version changes whenever the function does something else: an unfinished job of
     *     another version is refused
     */
    public Builder apply(String version, Chunk.Work function) {
      this.work = JobWork.function(version, function);
      return this;
    }

    /** How long a chunk should take: 10 ms to 1 minute, 500 ms unless said. */
    public Builder target(Duration duration) {
      this.target = duration;
      return this;
    }

    /**
     * The size of the first chunk, and the bounds that the adaptation keeps within; 500, 10 and
     * 50,000 unless said.
     */
    public Builder chunkRows(int first, int min, int max) {
      this.rows = new Rows(first, min, max);
      return this;
    }

    /**
     * How long a runner may be silent before another one takes over: 1 second to 1 hour, 30 seconds
     * unless said. Also how long the server lets a chunk's transaction idle before it ends it, so
     * that a runner that stopped in the middle cannot block its successor for longer.
     */
    public Builder lease(Duration duration) {
      this.lease = duration;
      return this;
    }

    /**
     * For one chunk: 100 ms to 1 hour, 20 seconds unless said. It may be longer than the lease: a
     * chunk that is under way holds the job's row, so nobody takes over before it ends.
     */
    public Builder chunkTimeout(Duration duration) {
      this.chunkTimeout = duration;
      return this;
    }

    /** For each lock that a chunk waits for: 10 ms to 10 minutes, 2 seconds unless said. */
    public Builder lockTimeout(Duration duration) {
      this.lockTimeout = duration;
      return this;
    }

    /**
     * Between two looks while the job waits: 10 ms to 1 minute, and at most half of the lease; 500
     * ms unless said.
     */
    public Builder pollInterval(Duration duration) {
      this.poll = duration;
      return this;
    }

    /** Between two looks at the signals while the job works: 0 to 1 minute, 1 s unless said. */
    public Builder signalInterval(Duration duration) {
      this.signalInterval = duration;
      return this;
    }

    /**
     * After how long a wait for signals is logged as stuck: 1 ms to 1 day, 15 minutes unless said.
     */
    public Builder stuckAfter(Duration duration) {
      this.stuckAfter = duration;
      return this;
    }

    /** How long passing failures in a row are outwaited: 0 to 1 day, 5 minutes unless said. */
    public Builder patience(Duration duration) {
      this.patience = duration;
      return this;
    }

    /** What the job gives way to; {@link ThrottleSignal#defaults()} unless said. */
    public Builder throttle(List<? extends ThrottleSignal> reasons) {
      signals.clear();
      signals.addAll(reasons);
      return this;
    }

    /** At most so many rows of the walk per second, on average over each chunk; at least 1. */
    public Builder maxRowsPerSecond(long rows) {
      this.maxRowsPerSecond = rows;
      return this;
    }

    /** Whether a run of a finished job begins again from the start instead of doing nothing. */
    public Builder restartWhenDone(boolean restart) {
      this.restartWhenDone = restart;
      return this;
    }

    /** The schema of the table of jobs; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String schema) {
      this.schema = schema;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Is told about the job about once per {@link #signalInterval}, and at the end, by the thread
     * that runs it, outside of any transaction. Left out where the database cannot be asked just
     * then. What the listener throws ends the run.
     */
    public Builder onProgress(Consumer<? super JobControl.Status> listener) {
      this.onProgress = listener;
      return this;
    }

    /**
     * Checks what can be checked without the database.
     *
     * @throws JobRefusedException if the work changes a key column
     * @throws PgBelayException naming the option and what is wrong with it
     */
    public ChunkedJob build() {
      if (key.isEmpty()) {
        throw new PgBelayException(
            "job '"
                + name
                + "': jOOQ knows no primary key of "
                + table.getName()
                + "; give key(...)");
      }
      JobWork chosen = work;
      if (chosen == null) {
        throw new PgBelayException(
            "job '" + name + "': nothing to do; choose delete, update, insertInto or apply");
      }
      chosen.requireUnchanged(name, key);
      return new ChunkedJob(
          new JobPlan(
              name,
              transactions,
              schema,
              table,
              filter,
              key,
              chosen,
              new Sizing(target, rows.first(), rows.min(), rows.max()),
              new Timing(
                  lease, chunkTimeout, lockTimeout, poll, signalInterval, stuckAfter, patience),
              List.copyOf(signals),
              Optional.ofNullable(maxRowsPerSecond),
              restartWhenDone,
              registry == null ? ChunkMeters.NONE : new ChunkMeters.OfMicrometer(registry, name),
              Optional.ofNullable(onProgress)));
    }
  }
}
