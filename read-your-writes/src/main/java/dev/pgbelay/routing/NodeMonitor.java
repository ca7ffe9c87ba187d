package dev.pgbelay.routing;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiPredicate;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Knows what one node said last, and who waits for it to say more: however many wait, one
 * connection asks. Safe for several threads.
 */
final class NodeMonitor {
  private static final Logger LOG = LoggerFactory.getLogger(NodeMonitor.class);
  private static final Duration FIRST_POLL = Duration.ofMillis(1);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);
  private static final Duration LONGEST_POLL = Duration.ofMillis(10);

  /** Equal to itself alone. */
  private static final class Waiting {
    private final NodeMonitor node;
    private final Predicate<NodeSight> until;
    private final CountDownLatch seen;

    Waiting(NodeMonitor node, Predicate<NodeSight> until, CountDownLatch seen) {
      this.node = node;
      this.until = until;
      this.seen = seen;
    }

    NodeMonitor node() {
      return node;
    }

    void sighted(NodeSight sight) {
      if (until.test(sight)) {
        seen.countDown();
      }
    }
  }

  private final DatabaseNode node;
  private final NodeProbe probe;
  private final Duration interval;
  private final Consumer<NodeSight> learned;
  private final Runnable changed;
  private final BackgroundLoop loop;
  private final List<Waiting> waiting = new CopyOnWriteArrayList<>();
  private volatile @Nullable NodeSight sight;
  private volatile boolean failing;
  private int polls;

  /**
   * @param learned is told what the node said before anybody else sees it
   * @param changed is told that it has said something
   */
  NodeMonitor(
      DatabaseNode node,
      Duration interval,
      Duration timeout,
      @Nullable MeterRegistry registry,
      Consumer<NodeSight> learned,
      Runnable changed) {
    this.node = node;
    this.interval = interval;
    this.learned = learned;
    this.changed = changed;
    this.probe = new NodeProbe(node, timeout);
    this.loop =
        BackgroundLoop.builder("routing-" + node.name(), this::pass)
            .idlePause(interval, interval)
            .failurePause(
                interval, interval.compareTo(LONGEST_PAUSE) > 0 ? interval : LONGEST_PAUSE)
            .meterRegistry(registry)
            .build();
  }

  String name() {
    return node.name();
  }

  /** What it said last, and when; null before its first answer. */
  @Nullable NodeSight sight() {
    return sight;
  }

  /** Asks on the calling thread. */
  NodeSight askNow() throws Exception {
    Pass ignored = loop.runOnce();
    NodeSight seen = sight;
    if (seen == null) {
      throw new SQLException("node '" + name() + "' has not answered", "08006");
    }
    return seen;
  }

  void start() {
    loop.start();
  }

  private Pass pass() throws SQLException {
    NodeSight seen;
    try {
      seen = probe.ask();
    } catch (SQLException | RuntimeException e) {
      if (!failing) {
        failing = true;
        LOG.warn("node '{}' does not answer probes: {}", name(), e.getMessage());
      }
      throw e;
    }
    if (failing) {
      failing = false;
      LOG.info("node '{}' answers probes again", name());
    }
    said(seen);
    if (waiting.isEmpty()) {
      polls = 0;
      return Pass.idle(interval);
    }
    polls++;
    long pause = Math.min(LONGEST_POLL.toNanos(), FIRST_POLL.toNanos() * (1 + polls / 4));
    return Pass.idle(Duration.ofNanos(Math.min(pause, interval.toNanos())));
  }

  /** The node has said something. */
  void said(NodeSight seen) {
    learned.accept(seen);
    sight = seen;
    changed.run();
    for (Waiting one : waiting) {
      one.sighted(seen);
    }
  }

  /**
   * Waits until the node says something that fits, at most so long. Holds nothing meanwhile.
   *
   * @return whether it did; not if the thread is interrupted, which it stays
   */
  boolean await(Predicate<NodeSight> until, long nanos) {
    return awaitAny(List.of(this), (node, sight) -> until.test(sight), nanos);
  }

  /** {@link #await} for the first of several nodes of which it is true. */
  static boolean awaitAny(
      Collection<NodeMonitor> nodes, BiPredicate<NodeMonitor, NodeSight> until, long nanos) {
    CountDownLatch seen = new CountDownLatch(1);
    List<Waiting> entered = new ArrayList<>(nodes.size());
    try {
      for (NodeMonitor node : nodes) {
        Waiting own = new Waiting(node, sight -> until.test(node, sight), seen);
        entered.add(own);
        node.waiting.add(own);
      }
      for (NodeMonitor node : nodes) {
        NodeSight now = node.sight;
        if (now != null && until.test(node, now)) {
          return true;
        }
        node.loop.wakeUp();
      }
      return seen.await(nanos, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    } finally {
      entered.forEach(one -> one.node().waiting.remove(one));
    }
  }

  int waiters() {
    return waiting.size();
  }

  /** Used within passes of this node only. */
  Optional<String> history(int timeline) throws SQLException {
    return probe.history(timeline);
  }

  /** Whether it would tell, as far as is known. */
  boolean tellsHistory() {
    return probe.tellsHistory();
  }

  /** Used within passes of this node only. */
  Set<Integer> living(Set<Integer> pids) throws SQLException {
    return probe.living(pids);
  }

  void stop() {
    BackgroundLoop.StopOutcome ignored = loop.stop(Duration.ofSeconds(2));
    probe.close();
  }
}
