package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.LockFinding.Kind;
import dev.pgbelay.lock.witness.LockFinding.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The orders in which the classes of one database were seen to be locked, with examples of each.
 * Its size is bounded: what comes after the last place is counted and not kept. Safe for several
 * threads.
 */
final class LockGraph {
  static final int MAX_ORDERS = 20_000;
  private static final Logger LOG = LoggerFactory.getLogger(LockWitness.class);
  private static final int SAMPLES_PER_ORDER = 4;
  private static final int LONGEST_CIRCLE = 4;

  /** One class held while another was wanted, and how strongly. */
  record Order(
      WatchedClass held, Strength heldStrength, WatchedClass wanted, Strength wantedStrength) {}

  private record Sample(Order order, Set<String> gates, Path path) {}

  /** An order with those of its examples that had the fewest gates in front of them. */
  private static final class Seen {
    private final AtomicLong times = new AtomicLong();
    private volatile List<Sample> samples = List.of();

    /** Whether one example with no other gates than these is known: this one shows nothing new. */
    boolean knows(Set<String> gates) {
      for (Sample sample : samples) {
        if (gates.containsAll(sample.gates())) {
          return true;
        }
      }
      return false;
    }
  }

  private final Map<Order, Seen> seen = new ConcurrentHashMap<>();
  private final Map<WatchedClass, Map<WatchedClass, List<Seen>>> next = new HashMap<>();
  private final AtomicLong dropped;

  /**
   * @param dropped where the orders are counted that there was no place for
   */
  LockGraph(AtomicLong dropped) {
    this.dropped = dropped;
  }

  /**
   * Counts the order, and the first time looks for others that it closes a circle with.
   *
   * @param gates locks held before both, that one transaction at a time can hold
   */
  Optional<LockFinding> add(Order order, Set<String> gates, Supplier<Path> path) {
    Seen known = seen.get(order);
    if (known == null) {
      if (seen.size() >= MAX_ORDERS) {
        if (dropped.getAndIncrement() == 0) {
          LOG.warn(
              "{} orders of locks are known, and no more are kept: new ones are not compared."
                  + " Advisory locks with ever new first keys? Name their classes",
              MAX_ORDERS);
        }
        return Optional.empty();
      }
      known = seen.computeIfAbsent(order, any -> new Seen());
    }
    known.times.incrementAndGet();
    if (known.knows(gates)) {
      return Optional.empty();
    }
    synchronized (next) {
      if (known.knows(gates)) {
        return Optional.empty();
      }
      Sample sample = new Sample(order, gates, path.get());
      if (known.samples.isEmpty()) {
        next.computeIfAbsent(order.held(), any -> new LinkedHashMap<>())
            .computeIfAbsent(order.wanted(), any -> new ArrayList<>())
            .add(known);
      }
      known.samples = with(sample, known.samples);
      List<Sample> circle = new ArrayList<>(List.of(sample));
      return closes(circle, LONGEST_CIRCLE) ? Optional.of(finding(circle)) : Optional.empty();
    }
  }

  /** Those with more gates than the new one say nothing that it does not say. */
  private static List<Sample> with(Sample sample, List<Sample> samples) {
    List<Sample> kept = new ArrayList<>();
    for (Sample each : samples) {
      if (!each.gates().containsAll(sample.gates())) {
        kept.add(each);
      }
    }
    if (kept.size() >= SAMPLES_PER_ORDER) {
      Set<String> common = new HashSet<>(kept.get(0).gates());
      kept.forEach(each -> common.retainAll(each.gates()));
      if (sample.gates().containsAll(common)) {
        return List.copyOf(kept); // so many gates are not one that is the same in each run
      }
      kept.remove(kept.size() - 1);
    }
    kept.add(sample);
    return List.copyOf(kept);
  }

  long size() {
    return seen.size();
  }

  /** Depth first, the shortest circles first. */
  private boolean closes(List<Sample> circle, int longest) {
    for (int length = 2; length <= longest; length++) {
      if (extend(circle, length)) {
        return true;
      }
    }
    return false;
  }

  private boolean extend(List<Sample> circle, int length) {
    Order last = circle.get(circle.size() - 1).order();
    Order first = circle.get(0).order();
    boolean closing = circle.size() == length - 1;
    for (Map.Entry<WatchedClass, List<Seen>> entry :
        next.getOrDefault(last.wanted(), Map.of()).entrySet()) {
      boolean atStart = entry.getKey().equals(first.held());
      if (atStart != closing || (!closing && isOn(circle, entry.getKey()))) {
        continue;
      }
      for (Seen alike : entry.getValue()) {
        for (Sample sample : alike.samples) {
          boolean waits = last.wantedStrength().conflictsWith(sample.order().heldStrength());
          boolean closes =
              !closing || sample.order().wantedStrength().conflictsWith(first.heldStrength());
          if (waits && closes && sharesNoGate(circle, sample)) {
            circle.add(sample);
            if (closing || extend(circle, length)) {
              return true;
            }
            circle.remove(circle.size() - 1);
          }
        }
      }
    }
    return false;
  }

  private static boolean isOn(List<Sample> circle, WatchedClass lockClass) {
    return circle.stream().anyMatch(sample -> sample.order().held().equals(lockClass));
  }

  /** Two that take the same exclusive lock first can never be at it at the same time. */
  private static boolean sharesNoGate(List<Sample> circle, Sample sample) {
    return circle.stream().allMatch(other -> Collections.disjoint(other.gates(), sample.gates()));
  }

  private LockFinding finding(List<Sample> circle) {
    int most = 0;
    for (int i = 1; i < circle.size(); i++) {
      most = timesSeen(circle.get(i)) > timesSeen(circle.get(most)) ? i : most;
    }
    // The order seen most stays; what was seen last gives way among equals.
    if (circle.size() > 1 && timesSeen(circle.get(0)) == timesSeen(circle.get(most))) {
      most = 1;
    }
    List<Sample> turned = new ArrayList<>(circle);
    Collections.rotate(turned, -most);
    List<String> classes = turned.stream().map(sample -> sample.order().held().name()).toList();
    List<Path> paths = turned.stream().map(Sample::path).toList();
    String suggestion =
        "Lock "
            + String.join(" before ", classes)
            + " everywhere: as in [1], which was seen "
            + timesSeen(turned.get(0))
            + " times, and unlike ["
            + turned.size()
            + "], seen "
            + timesSeen(turned.get(turned.size() - 1))
            + " times";
    return new LockFinding(
        circle.size() == 2 ? Kind.ORDER : Kind.CIRCLE, classes, paths, suggestion);
  }

  private long timesSeen(Sample sample) {
    Seen order = seen.get(sample.order());
    return order == null ? 1 : order.times.get();
  }
}
