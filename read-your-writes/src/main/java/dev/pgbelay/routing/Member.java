package dev.pgbelay.routing;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Transactions;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A node of the fleet: what it says, and how work gets there. Safe for several threads. */
final class Member {
  private final DatabaseNode node;
  private final Transactions transactions;
  private final CircuitBreaker breaker;
  private final NodeMonitor monitor;
  private final AtomicInteger reads = new AtomicInteger();
  private volatile boolean lagging;
  private volatile long lagBytes;
  private volatile boolean draining;

  Member(
      DatabaseNode node,
      Transactions transactions,
      CircuitBreaker breaker,
      RoutingOptions options,
      BiConsumer<Member, NodeSight> learned,
      Consumer<Member> sighted) {
    this.node = node;
    this.transactions = transactions;
    this.breaker = breaker;
    this.monitor =
        new NodeMonitor(
            node,
            options.probeInterval(),
            options.probeTimeout(),
            options.registry(),
            seen -> learned.accept(this, seen),
            () -> sighted.accept(this));
  }

  DatabaseNode node() {
    return node;
  }

  String name() {
    return node.name();
  }

  Transactions transactions() {
    return transactions;
  }

  NodeMonitor monitor() {
    return monitor;
  }

  @Nullable NodeSight sight() {
    return monitor.sight();
  }

  Optional<String> history(int timeline) throws SQLException {
    return monitor.history(timeline);
  }

  boolean tellsHistory() {
    return monitor.tellsHistory();
  }

  Set<Integer> living(Set<Integer> pids) throws SQLException {
    return monitor.living(pids);
  }

  /** Reads under way. */
  int reads() {
    return reads.get();
  }

  boolean isLagging() {
    return lagging;
  }

  /** Beyond its limit until it is below half of it: a node at the limit must not come and go. */
  void lags(long bytes, Duration time, long mostBytes, Duration mostTime) {
    lagBytes = bytes;
    boolean beyond = bytes > mostBytes || time.compareTo(mostTime) > 0;
    boolean well = bytes <= mostBytes / 2 && time.compareTo(mostTime.dividedBy(2)) <= 0;
    lagging = beyond || (lagging && !well);
  }

  long lagBytes() {
    return lagBytes;
  }

  double sightAgeSeconds() {
    NodeSight seen = sight();
    return seen == null ? Double.NaN : seen.ageNanos(System.nanoTime()) / 1e9;
  }

  void drain() {
    draining = true;
  }

  boolean isDraining() {
    return draining;
  }

  /** Whether a read may begin; if so it ends with one of the three below. */
  boolean tryBegin() {
    if (draining || !breaker.tryAcquirePermission()) {
      return false;
    }
    reads.incrementAndGet();
    return true;
  }

  void ended(long nanos) {
    reads.decrementAndGet();
    breaker.onSuccess(nanos, TimeUnit.NANOSECONDS);
  }

  /** Only what says that the node cannot be reached counts against it. */
  void failed(FailureKind kind, Throwable failure, long nanos) {
    reads.decrementAndGet();
    switch (kind) {
      case CONNECTION_LOST, CANNOT_CONNECT, POOL_EXHAUSTED ->
          breaker.onError(nanos, TimeUnit.NANOSECONDS, failure);
      default -> breaker.onSuccess(nanos, TimeUnit.NANOSECONDS);
    }
  }

  void notRun() {
    reads.decrementAndGet();
    breaker.releasePermission();
  }
}
