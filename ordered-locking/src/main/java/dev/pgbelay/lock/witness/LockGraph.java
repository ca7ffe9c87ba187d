package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.LockFinding.Kind;
import dev.pgbelay.lock.witness.LockFinding.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * The orders in which classes were seen to be locked, with an example of each. Its size is bounded:
 * what comes after the last place is counted and not kept. Safe for several threads.
 */
final class LockGraph {
  static final int MAX_ORDERS = 20_000;
  private static final int SAMPLES_PER_ORDER = 4;
  private static final int LONGEST_CIRCLE = 4;

  /** One class held while another was wanted, how strongly, and under which common gates. */
  record Order(
      LockClass held,
      Strength heldStrength,
      LockClass wanted,
      Strength wantedStrength,
      Set<String> gates) {}

  private record Sample(Order order, Path path) {}

  private final Map<Order, AtomicLong> seen = new ConcurrentHashMap<>();
  private final Map<LockClass, Map<LockClass, List<Sample>>> samples = new HashMap<>();
  private final AtomicLong dropped = new AtomicLong();

  /** Counts the order, and the first time looks for others that it closes a circle with. */
  Optional<LockFinding> add(Order order, Supplier<Path> path) {
    AtomicLong count = seen.get(order);
    if (count != null) {
      count.incrementAndGet();
      return Optional.empty();
    }
    if (seen.size() >= MAX_ORDERS) {
      dropped.incrementAndGet();
      return Optional.empty();
    }
    if (seen.putIfAbsent(order, new AtomicLong(1)) != null) {
      return Optional.empty();
    }
    synchronized (samples) {
      Sample sample = new Sample(order, path.get());
      List<Sample> alike =
          samples
              .computeIfAbsent(order.held(), any -> new LinkedHashMap<>())
              .computeIfAbsent(order.wanted(), any -> new ArrayList<>());
      long sameStrengths =
          alike.stream().filter(other -> isOfSameStrengths(other.order(), order)).count();
      if (sameStrengths < SAMPLES_PER_ORDER) {
        alike.add(sample);
      }
      List<Sample> circle = new ArrayList<>(List.of(sample));
      return closes(circle, LONGEST_CIRCLE) ? Optional.of(finding(circle)) : Optional.empty();
    }
  }

  private static boolean isOfSameStrengths(Order one, Order other) {
    return one.heldStrength().equals(other.heldStrength())
        && one.wantedStrength().equals(other.wantedStrength());
  }

  long size() {
    return seen.size();
  }

  long dropped() {
    return dropped.get();
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
    Map<LockClass, List<Sample>> next = samples.getOrDefault(last.wanted(), Map.of());
    boolean closing = circle.size() == length - 1;
    for (Map.Entry<LockClass, List<Sample>> entry : next.entrySet()) {
      boolean atStart = entry.getKey().equals(first.held());
      if (atStart != closing || (!closing && isOn(circle, entry.getKey()))) {
        continue;
      }
      for (Sample sample : entry.getValue()) {
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
    return false;
  }

  private static boolean isOn(List<Sample> circle, LockClass lockClass) {
    return circle.stream().anyMatch(sample -> sample.order().held().equals(lockClass));
  }

  /** Two that take the same exclusive lock first can never be at it at the same time. */
  private static boolean sharesNoGate(List<Sample> circle, Sample sample) {
    return circle.stream()
        .allMatch(other -> Collections.disjoint(other.order().gates(), sample.order().gates()));
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
    AtomicLong count = seen.get(sample.order());
    return count == null ? 1 : count.get();
  }
}
