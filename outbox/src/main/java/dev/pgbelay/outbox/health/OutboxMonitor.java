package dev.pgbelay.outbox.health;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.horizon.HorizonGuard;
import dev.pgbelay.core.horizon.HorizonPin;
import dev.pgbelay.core.internal.Monitoring;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the outbox now and then, shows what it saw as gauges, and says whether somebody has to
 * see to it. It looks at the database, so it also sees what no relay is there to see; one per
 * process is fine, and one in all is enough.
 *
 * <p>Owns one thread, a daemon. A look is a handful of short statements along indexes, which count
 * up to a limit, together bounded to five seconds; it changes nothing and locks no row; it can wait
 * for a relay that empties a day of published messages. Reads of relays what they say with their
 * heartbeats, three times per lease. Safe for several threads; started once, stopped once.
 */
public final class OutboxMonitor implements AutoCloseable {
  private final HealthSql sql;
  private final HealthRules rules;
  private final HorizonGuard horizon;
  private final int countUpTo;
  private final Monitoring<OutboxSnapshot> monitoring;
  private final @Nullable HealthMeters meters;

  /** By destination: since when some of its lanes are seen without an owner. */
  private final Map<String, Long> freeSince = new HashMap<>();

  private OutboxMonitor(Builder builder) {
    this.sql = new HealthSql(builder.schema);
    this.rules =
        new HealthRules(
            builder.standstill,
            builder.standstillOfOthers,
            builder.late,
            builder.retried,
            builder.parked,
            builder.free,
            builder.mostDeadLetters);
    this.horizon = HorizonGuard.after(builder.pinned);
    this.countUpTo = builder.countUpTo;
    this.monitoring =
        new Monitoring<>(
            "outbox-" + builder.name + "-monitor",
            builder.transactions,
            "outbox-monitor",
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
  public OutboxSnapshot look() {
    return monitoring.look();
  }

  /** What was seen last; empty before the first look. */
  public Optional<OutboxSnapshot> lastSnapshot() {
    return monitoring.lastSnapshot();
  }

  /**
   * What is to be made of what was seen last; asks no database, so a probe may ask as often as it
   * likes. Down if nothing could be read for three intervals.
   */
  public Health health() {
    return monitoring.health(rules::judge);
  }

  private void seen(OutboxSnapshot snapshot) {
    if (meters != null) {
      meters.watch(snapshot.destinations().values());
    }
  }

  /** Who pins the horizon comes first: dead rows may be why nothing else can be read in time. */
  private OutboxSnapshot read(DSLContext dsl) {
    List<HorizonPin> pins = horizon.look(dsl);
    try {
      return read(dsl, pins);
    } catch (DataAccessException e) {
      if (pins.isEmpty()) {
        throw e;
      }
      throw new PgBelayException(
          "the outbox could not be read, and dead rows are not cleaned up because of "
              + pins.stream().map(HorizonPin::toString).collect(Collectors.joining(", ")),
          e);
    }
  }

  private OutboxSnapshot read(DSLContext dsl, List<HorizonPin> pins) {
    Map<String, DestinationFigures> destinations = new HashMap<>();
    sql.destinations(dsl, countUpTo)
        .forEach((name, figures) -> destinations.put(name, remembered(figures)));
    freeSince.keySet().retainAll(destinations.keySet());
    return new OutboxSnapshot(destinations, sql.relays(dsl), sql.overdueDays(dsl), pins);
  }

  /** With how long lanes have been without an owner; looks do not overlap. */
  private DestinationFigures remembered(DestinationFigures one) {
    ServiceFigures now = one.service();
    if (now.freeLanes() == 0) {
      freeSince.remove(one.destination());
      return one;
    }
    long since = freeSince.computeIfAbsent(one.destination(), name -> System.nanoTime());
    return one.withService(now.withFreeFor(Duration.ofNanos(System.nanoTime() - since)));
  }

  /** Options of an {@link OutboxMonitor}. Not thread-safe. */
  public static final class Builder {
    private final Transactions transactions;
    private final Map<String, Duration> standstill = new LinkedHashMap<>();
    private String name = "default";
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration standstillOfOthers = Duration.ofMinutes(2);
    private Duration late = Duration.ofMinutes(15);
    private Duration retried = Duration.ofMinutes(15);
    private Duration parked = Duration.ZERO;
    private Duration free = Duration.ofMinutes(1);
    private Duration pinned = Duration.ofMinutes(10);
    private Duration interval = Duration.ofSeconds(15);
    private int countUpTo = 10_000;
    private @Nullable Integer mostDeadLetters;
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
     * Down if messages of a destination wait for longer than this and none of it was delivered for
     * as long: 10 seconds to 7 days; 2 minutes for destinations that are not named. Longer than the
     * relays' leases.
     */
    public Builder standstill(String destination, Duration time) {
      OptionRange.require("standstill", time, Duration.ofSeconds(10), Duration.ofDays(7));
      standstill.put(destination, time);
      return this;
    }

    /** {@link #standstill(String, Duration)} for all destinations that are not named. */
    public Builder standstill(Duration time) {
      OptionRange.require("standstill", time, Duration.ofSeconds(10), Duration.ofDays(7));
      this.standstillOfOthers = time;
      return this;
    }

    /**
     * Degraded if a message waits for longer than this, though others are delivered: 1 second to 30
     * days, 15 minutes unless said.
     */
    public Builder late(Duration time) {
      OptionRange.require("late", time, Duration.ofSeconds(1), Duration.ofDays(30));
      this.late = time;
      return this;
    }

    /**
     * Degraded if a key waits for longer than this for a message that fails and is tried again: 1
     * second to 30 days, 15 minutes unless said.
     */
    public Builder retried(Duration time) {
      OptionRange.require("retried", time, Duration.ofSeconds(1), Duration.ofDays(30));
      this.retried = time;
      return this;
    }

    /** Degraded if a key is parked for longer than this: up to 30 days, at once unless said. */
    public Builder parked(Duration time) {
      OptionRange.require("parked", time, Duration.ZERO, Duration.ofDays(30));
      this.parked = time;
      return this;
    }

    /**
     * Down if a destination that has a route has lanes without a relay for longer than this, or no
     * relay at all: 1 second to 1 day, 1 minute unless said. Counted from when this monitor saw it
     * first. Longer than the relays' leases.
     */
    public Builder free(Duration time) {
      OptionRange.require("free", time, Duration.ofSeconds(1), Duration.ofDays(1));
      this.free = time;
      return this;
    }

    /**
     * Degraded if a destination has more than this, less than {@link #countUpTo}; else not judged.
     */
    public Builder mostDeadLetters(int letters) {
      OptionRange.require("mostDeadLetters", letters, 0, 1_000_000);
      this.mostDeadLetters = letters;
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

    /**
     * Where counting ends, of each destination, so that a look stays cheap: 1 to 1,000,000, 10,000
     * unless said.
     */
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

    /**
     * Checks the options; asks no database.
     *
     * @throws PgBelayException if more dead letters are allowed than are counted
     */
    public OutboxMonitor build() {
      if (mostDeadLetters != null && mostDeadLetters >= countUpTo) {
        throw new PgBelayException(
            "mostDeadLetters is "
                + mostDeadLetters
                + ", and counting ends at countUpTo, which is "
                + countUpTo
                + ": it must be less");
      }
      return new OutboxMonitor(this);
    }
  }
}
