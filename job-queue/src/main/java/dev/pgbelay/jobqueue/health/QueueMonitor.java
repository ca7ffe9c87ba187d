package dev.pgbelay.jobqueue.health;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.horizon.HorizonGuard;
import dev.pgbelay.core.internal.Monitoring;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the queues now and then, shows what it saw as gauges, and says whether somebody has to
 * see to them. It looks at the database, so it also sees what no worker is there to see; one per
 * process is fine, and one in all is enough.
 *
 * <p>Owns one thread, a daemon. A look is a handful of short statements along indexes, which count
 * up to a limit, together bounded to five seconds. Reads figures of the workers as they write them
 * every five seconds. Safe for several threads; started once, stopped once.
 */
public final class QueueMonitor implements AutoCloseable {
  private final HealthSql sql;
  private final HealthRules rules;
  private final HorizonGuard horizon;
  private final int countUpTo;
  private final Monitoring<QueueSnapshot> monitoring;
  private final @Nullable HealthMeters meters;
  private boolean expectationsKnown;

  private QueueMonitor(Builder builder) {
    this.sql = new HealthSql(builder.schema);
    this.rules =
        new HealthRules(
            builder.standstill, builder.standstillOfOthers, builder.late, builder.expected);
    this.horizon = HorizonGuard.after(builder.pinned);
    this.countUpTo = builder.countUpTo;
    this.monitoring =
        new Monitoring<>(
            "jobs-" + builder.name + "-monitor",
            builder.transactions,
            "jobqueue-monitor",
            builder.interval,
            this::read,
            this::seen,
            builder.registry);
    this.meters =
        builder.registry == null ? null : new HealthMeters(builder.registry, this, builder.name);
  }

  /** Begins the definition. */
  public static Builder builder(Transactions transactions) {
    return new Builder(transactions);
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
  public QueueSnapshot look() {
    return monitoring.look();
  }

  /** What was seen last; empty before the first look. */
  public Optional<QueueSnapshot> lastSnapshot() {
    return monitoring.lastSnapshot();
  }

  /**
   * What is to be made of what was seen last; asks no database, so a probe may ask as often as it
   * likes. Down if nothing could be read for three intervals.
   */
  public Health health() {
    return monitoring.health(rules::judge);
  }

  private void seen(QueueSnapshot snapshot) {
    if (meters != null) {
      meters.watch(snapshot.queues().keySet());
    }
  }

  private QueueSnapshot read(DSLContext dsl) {
    if (!expectationsKnown && !rules.expected().isEmpty()) {
      sql.expect(dsl, rules.expected().keySet());
      expectationsKnown = true;
    }
    HealthSql.Counts counts = sql.counts(dsl, countUpTo);
    HealthSql.ScheduleCounts schedules = sql.schedules(dsl);
    return new QueueSnapshot(
        sql.queues(dsl, rules.standstill().keySet(), countUpTo),
        counts.workers(),
        counts.dead(),
        schedules.overdue(),
        schedules.failing(),
        schedules.missed(),
        sql.sinceSuccess(dsl, rules.expected().keySet()),
        horizon.look(dsl));
  }

  /** Options of a {@link QueueMonitor}. Not thread-safe. */
  public static final class Builder {
    private final Transactions transactions;
    private final Map<String, Duration> standstill = new LinkedHashMap<>();
    private final Map<String, Duration> expected = new LinkedHashMap<>();
    private String name = "default";
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration standstillOfOthers = Duration.ofMinutes(2);
    private Duration late = Duration.ofMinutes(15);
    private Duration pinned = Duration.ofMinutes(10);
    private Duration interval = Duration.ofSeconds(15);
    private int countUpTo = 10_000;
    private @Nullable MeterRegistry registry;

    private Builder(Transactions transactions) {
      this.transactions = transactions;
    }

    /** Of the thread and its metrics; needed where a process has several. */
    public Builder name(String ofMonitor) {
      this.name = OptionName.require(ofMonitor, 32);
      return this;
    }

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String ofTables) {
      this.schema = ofTables;
      return this;
    }

    /**
     * Down if jobs of a queue are due for longer than this and none of it was finished for as long:
     * 10 seconds to 7 days; 2 minutes for queues that are not named. Longer than its longest
     * handler takes. A queue that is named has its gauges from the beginning.
     */
    public Builder standstill(String queue, Duration time) {
      OptionRange.require("standstill", time, Duration.ofSeconds(10), Duration.ofDays(7));
      standstill.put(queue, time);
      return this;
    }

    /** {@link #standstill(String, Duration)} for all queues that are not named. */
    public Builder standstill(Duration time) {
      OptionRange.require("standstill", time, Duration.ofSeconds(10), Duration.ofDays(7));
      this.standstillOfOthers = time;
      return this;
    }

    /**
     * Degraded if a job is due for longer than this, though others are finished: 1 second to 30
     * days, 15 minutes unless said.
     */
    public Builder late(Duration time) {
      OptionRange.require("late", time, Duration.ofSeconds(1), Duration.ofDays(30));
      this.late = time;
      return this;
    }

    /**
     * Down if no job of a kind succeeds for this time, 1 minute to 400 days, be it because all
     * fail, because none is enqueued, or because nobody works. Counted from the first monitor that
     * ever expected it; that is remembered in the database.
     */
    public Builder expect(JobKind<?> kind, Duration every) {
      OptionRange.require("every", every, Duration.ofMinutes(1), Duration.ofDays(400));
      expected.put(kind.name(), every);
      return this;
    }

    /**
     * Degraded if something keeps VACUUM from cleaning up for longer than this: 1 second to 1 day,
     * 10 minutes unless said.
     */
    public Builder pinnedHorizon(Duration time) {
      OptionRange.require("pinnedHorizon", time, Duration.ofSeconds(1), Duration.ofDays(1));
      this.pinned = time;
      return this;
    }

    /** Between two looks: 100 ms to 10 minutes, 15 s unless said. */
    public Builder interval(Duration time) {
      OptionRange.require("interval", time, Duration.ofMillis(100), Duration.ofMinutes(10));
      this.interval = time;
      return this;
    }

    /** Where counting ends, so that a look stays cheap: 1 to 1,000,000, 10,000 unless said. */
    public Builder countUpTo(int limit) {
      OptionRange.require("countUpTo", limit, 1, 1_000_000);
      this.countUpTo = limit;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public QueueMonitor build() {
      return new QueueMonitor(this);
    }
  }
}
