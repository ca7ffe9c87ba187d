package dev.pgbelay.reconcile.health;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.Monitoring;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.Given;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Looks at runs, findings and captured deletes now and then, shows what it saw as gauges, and says
 * whether somebody has to see to it. It looks at the database, so it also sees a checker that no
 * process runs; one per process is fine, and one in all is enough.
 *
 * <p>Owns one thread, a daemon. A look is two short statements along indexes, which count up to a
 * limit, together bounded to five seconds; it changes nothing and locks no row. Needs SELECT on
 * {@code reconcile_run}, {@code reconcile_finding} and {@code reconcile_deleted}. Safe for several
 * threads; started once, stopped once.
 */
public final class ReconcileMonitor implements AutoCloseable {
  private final HealthSql sql;
  private final HealthRules rules;
  private final Declarations declarations;
  private final int countUpTo;
  private final Monitoring<ReconcileSnapshot> monitoring;
  private final @Nullable HealthMeters meters;
  private final long builtAt = System.nanoTime();

  private ReconcileMonitor(Builder builder) {
    this.sql = new HealthSql(builder.schema);
    this.rules =
        new HealthRules(
            builder.periods,
            builder.periodOfOthers,
            builder.fullScan,
            builder.deletes,
            builder.mostFindings);
    this.declarations = builder.declarations;
    this.countUpTo = builder.countUpTo;
    this.monitoring =
        new Monitoring<>(
            "reconcile-" + builder.name + "-monitor",
            builder.transactions,
            "reconcile-monitor",
            builder.interval,
            this::read,
            seen -> {},
            builder.registry);
    this.meters =
        builder.registry == null
            ? null
            : new HealthMeters(builder.registry, this, builder.name, declarations);
  }

  /** Begins the definition. */
  public static Builder builder(Transactions transactions, Declarations declarations) {
    return new Builder(
        Given.required("monitor: transactions", transactions),
        Given.required("monitor: declarations", declarations));
  }

  /**
   * Starts the thread; asks no database.
   *
   * @throws PgBelayException if it was started or stopped before
   */
  public void start() {
    monitoring.start();
  }

  /** Stops looking, and takes its gauges away. */
  @Override
  public void close() {
    monitoring.close();
    if (meters != null) {
      meters.close();
    }
  }

  /**
   * Looks now, on the calling thread.
   *
   * @throws RuntimeException what reading threw, such as jOOQ's {@code DataAccessException}
   */
  public ReconcileSnapshot look() {
    return monitoring.look();
  }

  /** What was seen last; empty before the first look. */
  public Optional<ReconcileSnapshot> lastSnapshot() {
    return monitoring.lastSnapshot();
  }

  /**
   * What is to be made of what was seen last; asks no database, so a probe may ask as often as it
   * likes. Down if nothing could be read for three intervals.
   */
  public Health health() {
    return monitoring.health(
        seen -> rules.judge(seen, Duration.ofNanos(System.nanoTime() - builtAt)));
  }

  private ReconcileSnapshot read(DSLContext dsl) {
    try {
      List<String> names = declarations.all().stream().map(Declaration::name).toList();
      List<String> references = declarations.references().stream().map(Reference::name).toList();
      Map<String, DeleteFigures> deletes = new LinkedHashMap<>();
      sql.deletes(dsl, countUpTo).forEach(each -> deletes.put(each.reference(), each));
      return new ReconcileSnapshot(
          sql.declarations(dsl, names, countUpTo),
          references.stream()
              .map(each -> deletes.getOrDefault(each, DeleteFigures.none(each)))
              .toList(),
          deletes.values().stream()
              .filter(each -> !references.contains(each.reference()))
              .toList());
    } catch (RuntimeException e) {
      throw MissingTable.explained(e, "runs and findings", "reconcile");
    }
  }

  /** Options of a {@link ReconcileMonitor}. Not thread-safe. */
  public static final class Builder {
    private final Transactions transactions;
    private final Declarations declarations;
    private final Map<String, Duration> periods = new LinkedHashMap<>();
    private String name = "default";
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration periodOfOthers = Duration.ofDays(2);
    private Duration fullScan = Duration.ofDays(30);
    private Duration deletes = Duration.ofMinutes(15);
    private Duration interval = Duration.ofSeconds(15);
    private int mostFindings;
    private int countUpTo = 10_000;
    private @Nullable MeterRegistry registry;

    private Builder(Transactions transactions, Declarations declarations) {
      this.transactions = transactions;
      this.declarations = declarations;
    }

    /** Of the thread and its metrics; needed where a process has several. */
    public Builder name(String ofMonitor) {
      this.name = OptionName.require(ofMonitor, 32);
      return this;
    }

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String ofTables) {
      this.schema = Given.schema(ofTables);
      return this;
    }

    /**
     * Down if the last whole run of the declaration ended longer ago than this, and if there was
     * none though the first run began, or this monitor, longer ago than this; degraded before. 1
     * minute to 365 days; 2 days for declarations that are not named. Longer than the time between
     * two runs and a run together.
     *
     * @throws PgBelayException if there is no such declaration
     */
    public Builder period(String declaration, Duration time) {
      requirePeriod(time);
      if (declarations.find(declaration).isEmpty()) {
        throw new PgBelayException(
            "period of '%s': no such declaration; there are %s"
                .formatted(
                    declaration, declarations.all().stream().map(Declaration::name).toList()));
      }
      periods.put(declaration, time);
      return this;
    }

    /** {@link #period(String, Duration)} for all declarations that are not named. */
    public Builder period(Duration time) {
      requirePeriod(time);
      this.periodOfOthers = time;
      return this;
    }

    private static void requirePeriod(Duration time) {
      OptionRange.require("period", time, Duration.ofMinutes(1), Duration.ofDays(365));
    }

    /**
     * Down if the last run that looked at every row began longer ago than this: 1 minute to 3650
     * days, 30 days unless said.
     */
    public Builder fullScanWithin(Duration time) {
      OptionRange.require("fullScanWithin", time, Duration.ofMinutes(1), Duration.ofDays(3650));
      this.fullScan = time;
      return this;
    }

    /**
     * Down if a captured delete waits for longer than this and is not held: 1 second to 30 days, 15
     * minutes unless said. Longer than the graces of the references. One that is held degrades at
     * once.
     */
    public Builder deletesWithin(Duration time) {
      OptionRange.require("deletesWithin", time, Duration.ofSeconds(1), Duration.ofDays(30));
      this.deletes = time;
      return this;
    }

    /**
     * Degraded if a declaration has more open findings than this, less than {@link #countUpTo}: 0
     * unless said.
     */
    public Builder mostFindings(int findings) {
      OptionRange.require("mostFindings", findings, 0, 1_000_000);
      this.mostFindings = findings;
      return this;
    }

    /** Between two looks: 100 ms to 10 minutes, 15 s unless said. */
    public Builder interval(Duration time) {
      OptionRange.require("interval", time, Duration.ofMillis(100), Duration.ofMinutes(10));
      this.interval = time;
      return this;
    }

    /**
     * Where counting ends, of findings and of captured deletes of each declaration, so that a look
     * stays cheap: 1 to 1,000,000, 10,000 unless said.
     */
    public Builder countUpTo(int limit) {
      OptionRange.require("countUpTo", limit, 1, 1_000_000);
      this.countUpTo = limit;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = Given.option("meterRegistry", metrics);
      return this;
    }

    /**
     * Checks the options; asks no database.
     *
     * @throws PgBelayException if more findings are allowed than are counted
     */
    public ReconcileMonitor build() {
      if (mostFindings >= countUpTo) {
        throw new PgBelayException(
            "mostFindings is "
                + mostFindings
                + ", and counting ends at countUpTo, which is "
                + countUpTo
                + ": it must be less");
      }
      return new ReconcileMonitor(this);
    }
  }
}
