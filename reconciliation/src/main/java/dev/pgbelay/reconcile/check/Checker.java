package dev.pgbelay.reconcile.check;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DeclarationException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.check.CheckPlan.Sizing;
import dev.pgbelay.reconcile.internal.Given;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Looks for rows that break a declaration, and reports those that it has confirmed.
 *
 * <p><b>Guarantee.</b> A run that ends as {@code CLEAN} or {@code FINDINGS} has looked at every row
 * that was committed before it began and not deleted, or given another primary key, meanwhile. What
 * it confirms was wrong in two snapshots: in the second one after every transaction had ended that
 * held a lock on one of the declaration's tables at the time of the first, prepared ones included,
 * and after the declaration's grace. A row that a transaction mends which had touched none of these
 * tables by then, and commits after the grace, can still be reported.
 *
 * <p>An {@linkplain Builder#incremental incremental} run has looked instead at every row whose
 * {@code changedAt} was set by the database's clock in a transaction that the last run did not see,
 * at the children of captured deletes, and at every open finding. What it cannot see waits for the
 * next full run.
 *
 * <p>Scans are {@linkplain dev.pgbelay.batch.chunk.ChunkedJob chunked jobs}: a run that died is
 * gone on with by whoever runs next, in whatever process; two at once are one run, of which one is
 * turned away. Nothing of the application's tables is written or locked.
 *
 * <p>{@link #run()} blocks the calling thread, with one connection at a time, and none while it
 * waits. Needs the tables of the modules {@code batch} and {@code reconcile} (see {@link
 * SchemaInstaller}), on the primary, and for the names of blockers the role {@code
 * pg_read_all_stats}. Works behind PgBouncer in transaction mode. Immutable and safe for several
 * threads.
 */
public final class Checker {
  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
  private static final int MOST_ROWS = 10_000_000;

  private final CheckPlan plan;
  private final @Nullable CheckMeters meters;

  private Checker(CheckPlan plan, @Nullable CheckMeters meters) {
    this.plan = plan;
    this.meters = meters;
  }

  public static Builder builder(Transactions transactions, Declarations declarations) {
    return new Builder(
        Given.required("checker: transactions", transactions),
        Given.required("checker: declarations", declarations));
  }

  /** What is checked. */
  public Declarations declarations() {
    return plan.declarations();
  }

  /**
   * Checks every declaration, one after the other. What keeps one of them from being checked stands
   * in its report, and the others are checked all the same; an interrupt ends the run, with
   * incomplete reports.
   *
   * @throws DeclarationException before anything is checked, if they do not fit the database
   */
  public CheckReport run() {
    return run(plan.declarations().all());
  }

  /**
   * Checks one of the declarations.
   *
   * @throws PgBelayException if none has that name
   * @throws DeclarationException as {@link #run()}
   */
  public DeclarationReport run(String declaration) {
    Declaration found =
        plan.declarations()
            .find(declaration)
            .orElseThrow(
                () ->
                    new PgBelayException(
                        "no declaration '%s'; there are %s"
                            .formatted(
                                declaration,
                                plan.declarations().all().stream()
                                    .map(Declaration::name)
                                    .toList())));
    return run(List.of(found)).declarations().get(0);
  }

  /**
   * A loop that checks each declaration again and again, to be started and stopped by the service,
   * in as many processes as one likes: what is due is decided by the runs in the database and its
   * clock. A run that is open is gone on with at once, and one that ended incomplete is tried again
   * after a tenth of the time. The loop's pauses are set; stopping it interrupts a check, which the
   * next run goes on with.
   *
   * @param name of the thread and its metrics
   * @param every from the begin of a run to that of the next: 1 second to 366 days
   */
  public BackgroundLoop.Builder loop(String name, Duration every) {
    OptionRange.require("every", every, Duration.ofSeconds(1), Duration.ofDays(366));
    Duration look = every.dividedBy(20);
    Duration pause = look.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : look;
    return BackgroundLoop.builder(name, new CheckLoop(this, plan, every)::runOnce)
        .idlePause(pause, pause);
  }

  private CheckReport run(List<Declaration> chosen) {
    long began = System.nanoTime();
    plan.declarations().requireMatching(plan.transactions());
    List<DeclarationReport> reports = new ArrayList<>();
    for (Declaration each : chosen) {
      CheckRun run = new CheckRun(plan, each);
      DeclarationReport report = run.run();
      if (meters != null) {
        meters.ended(report, run.before());
      }
      reports.add(report);
    }
    return new CheckReport(
        plan.declarations().version(), reports, Duration.ofNanos(System.nanoTime() - began));
  }

  /** Collects what a checker does. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final Declarations declarations;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration scanWithin = Duration.ofDays(1);
    private Duration confirmWithin = Duration.ofMinutes(1);
    private Duration poll = Duration.ofMillis(50);
    private Duration rangeTimeout = Duration.ofSeconds(30);
    private long maxCandidates = 10_000;
    private @Nullable Sizing sizing;
    private List<ThrottleSignal> throttle = ThrottleSignal.defaults();
    private @Nullable Long maxRowsPerSecond;
    private @Nullable Long maxRows;
    private @Nullable Duration fullScanEvery;
    private Duration overlap = Duration.ofMinutes(1);
    private @Nullable DataSource replica;
    private @Nullable MeterRegistry registry;

    private Builder(Transactions transactions, Declarations declarations) {
      this.transactions = transactions;
      this.declarations = declarations;
    }

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String schema) {
      this.schema = Given.schema(schema);
      return this;
    }

    /**
     * How long the scan of one declaration may take in this call: 1 ms to 7 days, 1 day unless
     * said. What is left is incomplete, and the next run goes on behind it.
     */
    public Builder scanWithin(Duration time) {
      this.scanWithin = time;
      return this;
    }

    /**
     * How long to wait for transactions that may mend what was seen, and for the grace, for one
     * declaration: 0 to 1 day, 1 minute unless said. What is not settled by then stays a candidate
     * for the next run.
     */
    public Builder confirmWithin(Duration time) {
      this.confirmWithin = time;
      return this;
    }

    /** Between two looks while it waits: 1 ms to 1 minute, 50 ms unless said. */
    public Builder pollInterval(Duration time) {
      this.poll = time;
      return this;
    }

    /** For one range, or the query of an invariant: 100 ms to 1 hour, 30 seconds unless said. */
    public Builder rangeTimeout(Duration time) {
      this.rangeTimeout = time;
      return this;
    }

    /**
     * How many candidates of one declaration a run keeps: 1 to 1,000,000, 10,000 unless said. More
     * are counted, and make the run incomplete.
     */
    public Builder maxCandidates(long most) {
      this.maxCandidates = most;
      return this;
    }

    /**
     * The rows of the first range, and the bounds that the adaptation keeps within: 5,000, 100 and
     * 1,000,000 unless said, for ranges that should take 50 ms. Without a throttle and a rate the
     * first has 100,000, they should take half a second, and where the planner expects no more than
     * {@code max} rows (20,000,000 in a reference, 50,000 elsewhere, unless said) all of them are
     * one range, if it ends within 5 seconds.
     *
     * @throws PgBelayException unless 1 &le; min &le; first &le; max &le; 10,000,000
     */
    public Builder rangeRows(int first, int min, int max) {
      if (min < 1 || first < min || max < first || max > MOST_ROWS) {
        throw new PgBelayException(
            "rangeRows must be 1 <= min <= first <= max <= %d, is min %d, first %d, max %d"
                .formatted(MOST_ROWS, min, first, max));
      }
      this.sizing = new Sizing(first, min, max);
      return this;
    }

    /** What the scan gives way to; {@link ThrottleSignal#defaults()} unless said. */
    public Builder throttle(List<? extends ThrottleSignal> signals) {
      this.throttle = Given.all("throttle", signals);
      return this;
    }

    /** At most so many rows per second, on average over each range; at least 1. */
    public Builder maxRowsPerSecond(long rows) {
      this.maxRowsPerSecond = rows;
      return this;
    }

    /**
     * How many rows of one declaration a call may read, to a range; no bound unless said, at least
     * 1. What is left is incomplete, and the next run goes on behind it.
     */
    public Builder maxRows(long most) {
      this.maxRows = most;
      return this;
    }

    /**
     * Between full runs, look only at what has changed since the last run: of declarations that say
     * by which column ({@link Declaration#changedAt()}), and of references whose deletes are
     * captured by triggers. Everything else is read whole each time, and its report says why. Every
     * run reads every row unless this is said.
     *
     * @param fullScanEvery how old the last whole run over every row may get before the next one
     *     must be one: 1 ms to 366 days. It finds what incremental runs cannot: rows whose column
     *     was not set, or from another clock, and what changed without triggers
     */
    public Builder incremental(Duration fullScanEvery) {
      this.fullScanEvery = Given.option("incremental", fullScanEvery);
      return this;
    }

    /**
     * By how much an incremental run reaches back behind the oldest transaction that was open when
     * the last run began: as much as the clocks of those who set the column may be behind that of
     * the database; 0 to 1 day, 1 minute unless said.
     */
    public Builder overlap(Duration time) {
      this.overlap = time;
      return this;
    }

    /**
     * Look at rows on a streaming replica. Each run waits until it has replayed what the primary
     * had committed when the run's call began, within the time of {@link #confirmWithin}, and asks
     * for that again with each range, on the same connection. Progress and findings are written,
     * and candidates confirmed, on the primary. A replica that lags, is promoted, or belongs to
     * another cluster makes the run incomplete; a query that replay cancels is tried again.
     */
    public Builder scanOn(DataSource replica) {
      this.replica = Given.option("scanOn", replica);
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = Given.option("meterRegistry", metrics);
      return this;
    }

    /**
     * Checks what can be checked without the database.
     *
     * @throws PgBelayException naming the option and what is wrong with it
     */
    public Checker build() {
      return new Checker(
          new CheckPlan(
              transactions,
              declarations,
              schema,
              scanWithin,
              confirmWithin,
              poll,
              rangeTimeout,
              maxCandidates,
              Optional.ofNullable(sizing),
              List.copyOf(throttle),
              Optional.ofNullable(maxRowsPerSecond),
              Optional.ofNullable(maxRows),
              Optional.ofNullable(fullScanEvery),
              overlap,
              Optional.ofNullable(replica)),
          registry == null ? null : new CheckMeters(registry));
    }
  }
}
