package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.internal.PollPace;
import dev.pgbelay.core.internal.WorkThreads;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import io.micrometer.core.instrument.MeterRegistry;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadFactory;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Options of an {@link OutboxRelay}; begin with {@link OutboxRelay#builder}. Not thread-safe. */
public final class OutboxRelayBuilder {
  private static final Duration NEVER = Duration.ofHours(1);

  private final Transactions transactions;
  private final DataSource heartbeats;
  private final Map<String, Destination> destinations = new LinkedHashMap<>();
  private String name = "default";
  private String schema = SchemaInstaller.DEFAULT_SCHEMA;
  private String node = ManagementFactory.getRuntimeMXBean().getName();
  private Duration lease = Duration.ofSeconds(30);
  private Duration pollInterval = Duration.ofSeconds(1);
  private boolean pollsNever;
  private Duration closeDeadline = Duration.ofSeconds(30);
  private int window = 10_000;
  private long windowBytes = 16L << 20;
  private final Set<Outbox> outboxes = new LinkedHashSet<>();
  private @Nullable ThreadFactory threadFactory;
  private @Nullable WakeUps wakeUps;
  private @Nullable MeterRegistry registry;
  private @Nullable AckSql ackSql;
  private @Nullable HoldSql holdSql;

  OutboxRelayBuilder(Transactions transactions, DataSource heartbeats) {
    this.transactions = transactions;
    this.heartbeats = heartbeats;
  }

  /** Of the threads and their metrics; needed where a process has several relays. */
  public OutboxRelayBuilder name(String ofRelay) {
    this.name = OptionName.require(ofRelay, 32);
    return this;
  }

  String name() {
    return name;
  }

  /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
  public OutboxRelayBuilder schema(String ofTables) {
    this.schema = ofTables;
    return this;
  }

  /** What this process calls itself, 1 to 200 characters; process id and host unless said. */
  public OutboxRelayBuilder node(String label) {
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

  /**
   * A destination that this relay delivers to; others are left to other relays.
   *
   * @throws PgBelayException if it was named before
   */
  public OutboxRelayBuilder deliver(Destination to) {
    if (destinations.putIfAbsent(to.name(), to) != null) {
      throw new PgBelayException("destination '" + to.name() + "' is named twice");
    }
    return this;
  }

  /**
   * How long this process may not be heard of before its lanes are given to others: 1 second to 1
   * hour, 30 seconds unless said. It is heard of three times in that time, whatever is delivered.
   */
  public OutboxRelayBuilder lease(Duration time) {
    OptionRange.require("lease", time, Duration.ofSeconds(1), Duration.ofHours(1));
    this.lease = time;
    return this;
  }

  /** Between two looks at lanes without messages: 10 ms to 1 minute, 1 s unless said. */
  public OutboxRelayBuilder pollInterval(Duration interval) {
    OptionRange.require("pollInterval", interval, Duration.ofMillis(10), Duration.ofMinutes(1));
    this.pollInterval = interval;
    return this;
  }

  /**
   * How much of each destination may be in memory: 100 to 1,000,000 messages, 10,000 unless said,
   * and 1 MiB to 1 GiB, 16 MiB unless said. Payloads above 4 KiB are read when they are delivered,
   * and count then.
   */
  public OutboxRelayBuilder window(int messages, long bytes) {
    OptionRange.require("messages of the window", messages, 100, 1_000_000);
    OptionRange.require("bytes of the window", bytes, 1L << 20, 1L << 30);
    this.window = messages;
    this.windowBytes = bytes;
    return this;
  }

  /**
   * Looks for messages at once when a transaction has committed in which {@code appending} added
   * some; needed only where both are in one process, and only sooner than the poll interval. May be
   * called for several, all of the relay's schema.
   */
  public OutboxRelayBuilder wokenBy(Outbox appending) {
    outboxes.add(appending);
    return this;
  }

  /**
   * Looks for messages at once when another process has committed some, and polls ten times more
   * seldom, at most every minute, while notifications are known to arrive. The caller starts and
   * closes it.
   */
  public OutboxRelayBuilder wokenBy(WakeUps notifications) {
    this.wakeUps = notifications;
    return this;
  }

  /** What {@link OutboxRelay#close()} gives to publishers: up to an hour, 30 s unless said. */
  public OutboxRelayBuilder closeDeadline(Duration time) {
    OptionRange.require("closeDeadline", time, Duration.ZERO, Duration.ofHours(1));
    this.closeDeadline = time;
    return this;
  }

  /**
   * Makes the threads that call publishers. Unless said: virtual ones where the JVM has those that
   * can wait within {@code synchronized} (Java 24 and later), daemons otherwise.
   */
  public OutboxRelayBuilder threadFactory(ThreadFactory factory) {
    this.threadFactory = factory;
    return this;
  }

  /** Publishers are called by platform threads, whatever the JVM has. */
  public OutboxRelayBuilder platformThreads() {
    return threadFactory(WorkThreads.platform("pgbelay-outbox-" + name + "-deliver"));
  }

  /** Where the metrics of the guide go; none are kept otherwise. */
  public OutboxRelayBuilder meterRegistry(MeterRegistry metrics) {
    this.registry = metrics;
    return this;
  }

  /** For tests of who is woken, and by what: a poll would hide it. */
  OutboxRelayBuilder pollsNever() {
    this.pollsNever = true;
    return this;
  }

  /** For tests that take a fence away. */
  OutboxRelayBuilder statements(AckSql otherAcks, HoldSql otherHolds) {
    this.ackSql = otherAcks;
    this.holdSql = otherHolds;
    return this;
  }

  /**
   * Checks the options; asks no database.
   *
   * @throws PgBelayException if there is no destination, or heartbeats have no pool of their own
   */
  public OutboxRelay build() {
    return new OutboxRelay(options());
  }

  RelayOptions options() {
    if (destinations.isEmpty()) {
      throw new PgBelayException(
          "relay '" + name + "' has no destination: name one with deliver(Destination.of(…))");
    }
    for (Outbox outbox : outboxes) {
      if (!outbox.schema().equals(schema)) {
        throw new PgBelayException(
            "relay '"
                + name
                + "' works in schema '"
                + schema
                + "' and is to be woken by an outbox of schema '"
                + outbox.schema()
                + "': give both the same schema");
      }
    }
    if (transactions.isOn(heartbeats)) {
      throw new PgBelayException(
          "relay '"
              + name
              + "' is to send its heartbeats through the pool of its transactions, which they could"
              + " exhaust: give it a DataSource of its own");
    }
    return new RelayOptions(
        transactions,
        heartbeats,
        name,
        schema,
        node,
        lease,
        pollsNever ? new PollPace(NEVER, wakeUps, NEVER) : new PollPace(pollInterval, wakeUps),
        closeDeadline,
        threadFactory,
        List.copyOf(destinations.values()),
        List.copyOf(outboxes),
        registry,
        window,
        windowBytes,
        ackSql == null ? new AckSql(schema) : ackSql,
        holdSql == null ? new HoldSql(schema) : holdSql);
  }
}
