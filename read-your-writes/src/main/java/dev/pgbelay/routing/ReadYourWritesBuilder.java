package dev.pgbelay.routing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.OptionRange;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Options of a {@link ReadYourWrites}; begin with {@link ReadYourWrites#builder}. Not thread-safe.
 */
public final class ReadYourWritesBuilder {
  private static final Logger LOG = LoggerFactory.getLogger(ReadYourWrites.class);

  /** A token that is not waited for sends whoever has it to the primary. */
  private static final Duration TOKEN_WAIT = Duration.ofMillis(100);

  private final DatabaseNode primary;
  private final Map<String, DatabaseNode> replicas = new LinkedHashMap<>();
  private Duration probeInterval = Duration.ofMillis(50);
  private Duration probeTimeout = Duration.ofSeconds(1);
  private Duration maxAge = Duration.ofSeconds(2);
  private long maxLagBytes = 64L << 20;
  private Duration maxLag = Duration.ofSeconds(10);
  private Duration maxWait = Duration.ofMillis(100);
  private Duration failoverWait = Duration.ofSeconds(5);
  private int primaryReads = 16;
  private Consumer<LostPosition> onLost =
      lost ->
          LOG.warn(
              "what a session wrote or saw up to {} may be lost with its timeline; it goes on on"
                  + " timeline {}",
              lost.position(),
              lost.timeline());
  private UnaryOperator<Transactions.Builder> transactions = builder -> builder;
  private CircuitBreakerConfig breakers =
      CircuitBreakerConfig.custom()
          .slidingWindowSize(20)
          .minimumNumberOfCalls(5)
          .waitDurationInOpenState(Duration.ofSeconds(1))
          .permittedNumberOfCallsInHalfOpenState(3)
          .build();
  private @Nullable MeterRegistry registry;
  private boolean compares = true;

  ReadYourWritesBuilder(DatabaseNode primary) {
    this.primary = primary;
  }

  /**
   * A replica that is read from.
   *
   * @throws PgBelayException if a node was named so before
   */
  public ReadYourWritesBuilder replica(DatabaseNode node) {
    if (node.name().equals(primary.name()) || replicas.putIfAbsent(node.name(), node) != null) {
      throw new PgBelayException(
          "node '" + node.name() + "' is named twice: give each node a name of its own");
    }
    return this;
  }

  /**
   * Between two questions to a node while no session waits for it: 10 ms to 10 s, 50 ms unless
   * said.
   */
  public ReadYourWritesBuilder probeInterval(Duration interval) {
    OptionRange.require("probeInterval", interval, Duration.ofMillis(10), Duration.ofSeconds(10));
    this.probeInterval = interval;
    return this;
  }

  /** How long one answer may take: 50 ms to 30 s, 1 s unless said. */
  public ReadYourWritesBuilder probeTimeout(Duration time) {
    OptionRange.require("probeTimeout", time, Duration.ofMillis(50), Duration.ofSeconds(30));
    this.probeTimeout = time;
    return this;
  }

  /**
   * A node that has not answered for so long is not used: 50 ms to 1 minute, 2 s unless said; at
   * least twice the probe interval.
   */
  public ReadYourWritesBuilder maxAge(Duration age) {
    OptionRange.require("maxAge", age, Duration.ofMillis(50), Duration.ofMinutes(1));
    this.maxAge = age;
    return this;
  }

  /**
   * Replicas beyond one of these are not read from, not even by sessions that have written nothing,
   * until they are below half of both: 64 MiB and 10 s unless said.
   */
  public ReadYourWritesBuilder maxLag(long bytes, Duration time) {
    OptionRange.require("bytes of maxLag", bytes, 8_192L, 1L << 40);
    OptionRange.require("time of maxLag", time, Duration.ofMillis(100), Duration.ofHours(24));
    this.maxLagBytes = bytes;
    this.maxLag = time;
    return this;
  }

  /** How long a read may wait for a replica: 0 to 1 minute, 100 ms unless said. */
  public ReadYourWritesBuilder maxWait(Duration time) {
    OptionRange.require("maxWait", time, Duration.ZERO, Duration.ofMinutes(1));
    this.maxWait = time;
    return this;
  }

  /** How long a write waits for a primary while there is none: 0 to 5 minutes, 5 s unless said. */
  public ReadYourWritesBuilder failoverWait(Duration time) {
    OptionRange.require("failoverWait", time, Duration.ZERO, Duration.ofMinutes(5));
    this.failoverWait = time;
    return this;
  }

  /**
   * As many reads as no replica can take may be on the primary at once, 16 unless said; below the
   * size of its pool, so that writes still get connections. Those of {@link
   * ReadYourWrites#readPrimary} are not counted.
   */
  public ReadYourWritesBuilder primaryReads(int atOnce) {
    OptionRange.require("primaryReads", atOnce, 1, 10_000);
    this.primaryReads = atOnce;
    return this;
  }

  /**
   * Is told when what a session had written or seen may have been lost with an older timeline; a
   * warning is logged unless said. Called on the thread of the session's next read, write or token,
   * which goes on afterwards.
   */
  public ReadYourWritesBuilder onLost(Consumer<LostPosition> callback) {
    this.onLost = Objects.requireNonNull(callback, "the callback of onLost is null");
    return this;
  }

  /** For retries, bulkheads and jOOQ's configuration of the transactions on each node. */
  public ReadYourWritesBuilder transactions(UnaryOperator<Transactions.Builder> configure) {
    this.transactions = Objects.requireNonNull(configure, "transactions is null");
    return this;
  }

  /** When a node that cannot be reached is left alone, and for how long. */
  public ReadYourWritesBuilder breakers(CircuitBreakerConfig config) {
    this.breakers = Objects.requireNonNull(config, "breakers is null");
    return this;
  }

  /** Where the metrics of the guide go; none are kept otherwise. */
  public ReadYourWritesBuilder meterRegistry(MeterRegistry metrics) {
    this.registry = metrics;
    return this;
  }

  /** For tests that take the comparison away. */
  ReadYourWritesBuilder withoutComparison() {
    this.compares = false;
    return this;
  }

  /**
   * Asks each node once, and begins to watch them.
   *
   * @throws PgBelayException naming the option, its value and its range
   * @throws RoutingException of kind {@code MISCONFIGURED}, naming the node: it does not answer, is
   *     of another cluster, or is not what it is declared to be
   */
  public ReadYourWrites start() {
    if (maxAge.compareTo(probeInterval.multipliedBy(2)) < 0) {
      throw new PgBelayException(
          "maxAge is "
              + maxAge
              + ": must be at least twice the probeInterval of "
              + probeInterval
              + ", or nodes are out of use between two probes");
    }
    if (replicas.isEmpty()) {
      throw new PgBelayException(
          "there is no replica: name at least one with replica(…), or use Transactions alone");
    }
    RoutingOptions options =
        new RoutingOptions(
            probeInterval,
            probeTimeout,
            maxAge,
            maxLagBytes,
            maxLag,
            maxWait,
            failoverWait,
            primaryReads,
            onLost,
            registry,
            compares);
    RoutingMeters meters = new RoutingMeters(registry);
    Fleet fleet = new Fleet(options);
    Membership membership = new Membership(fleet, options, meters, transactions, breakers);
    membership.begin(primary, List.copyOf(replicas.values()));
    Settlement settlement = new Settlement(fleet, options, meters);
    Router router = new Router(fleet, settlement, options, meters, new Semaphore(primaryReads));
    ConnectionFit fit = new ConnectionFit(fleet, new SeenConnections(), options);
    Writes writes = new Writes(fleet, settlement, fit, meters);
    return new ReadYourWrites(
        fleet,
        new Reads(fleet, router, settlement, fit, writes, meters),
        writes,
        new Tokens(fleet, settlement, maxWait.compareTo(TOKEN_WAIT) < 0 ? TOKEN_WAIT : maxWait),
        membership,
        new ConnectionLender(fleet, router, settlement, fit, meters));
  }
}
