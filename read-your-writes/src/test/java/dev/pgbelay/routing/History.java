package dev.pgbelay.routing;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * What sessions wrote and were shown, and the judgement of it, which knows nothing of positions: of
 * a register that only grows, nobody may see less than what the same session wrote or saw before.
 * Safe for several threads while it is written, and then judged by one.
 */
final class History {
  /**
   * One read or write that has returned.
   *
   * @param session whose; tokens make another session of the same line
   * @param node which answered
   */
  record Op(
      long session, boolean write, int key, long value, long begun, long ended, String node) {}

  /** From then on the one has to see what the other had by then. */
  record Handed(long from, long to, long at) {}

  record Violation(Op op, long expected, String by) {
    @Override
    public String toString() {
      return "session "
          + op.session()
          + " saw "
          + op.value()
          + " of key "
          + op.key()
          + " on "
          + op.node()
          + ", after "
          + expected
          + " "
          + by;
    }
  }

  private final ConcurrentLinkedQueue<Op> ops = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Handed> handed = new ConcurrentLinkedQueue<>();

  void add(Op op) {
    ops.add(op);
  }

  void add(Handed hand) {
    handed.add(hand);
  }

  int size() {
    return ops.size();
  }

  long reads() {
    return ops.stream().filter(op -> !op.write()).count();
  }

  long readsOn(String node) {
    return ops.stream().filter(op -> !op.write() && op.node().equals(node)).count();
  }

  /** In the order in which they begin; what ends before one begins, it has to see. */
  List<Violation> violations() {
    List<Object> events = new ArrayList<>();
    for (Op op : ops) {
      events.add(new Begun(op));
      events.add(op);
    }
    events.addAll(handed);
    events.sort(Comparator.comparingLong(History::time).thenComparingInt(History::rank));
    Map<Long, Map<Integer, Seen>> known = new HashMap<>();
    Map<Op, Seen> due = new HashMap<>();
    List<Violation> found = new ArrayList<>();
    for (Object event : events) {
      if (event instanceof Begun begun) {
        Seen seen =
            known
                .computeIfAbsent(begun.op().session(), any -> new HashMap<>())
                .get(begun.op().key());
        if (seen != null) {
          due.put(begun.op(), seen);
        }
      } else if (event instanceof Op op) {
        Seen expected = due.remove(op);
        if (expected != null && op.value() < expected.value()) {
          found.add(new Violation(op, expected.value(), expected.by()));
        }
        known
            .computeIfAbsent(op.session(), any -> new HashMap<>())
            .merge(
                op.key(),
                new Seen(op.value(), (op.write() ? "written on " : "seen on ") + op.node()),
                (one, other) -> one.value() >= other.value() ? one : other);
      } else if (event instanceof Handed hand) {
        Map<Integer, Seen> to = known.computeIfAbsent(hand.to(), any -> new HashMap<>());
        known
            .getOrDefault(hand.from(), Map.of())
            .forEach(
                (key, seen) ->
                    to.merge(
                        key, seen, (one, other) -> one.value() >= other.value() ? one : other));
      }
    }
    return found;
  }

  private record Begun(Op op) {}

  private record Seen(long value, String by) {}

  private static long time(Object event) {
    if (event instanceof Begun begun) {
      return begun.op().begun();
    }
    return event instanceof Op op ? op.ended() : ((Handed) event).at();
  }

  /** What ends at the very moment at which another begins is not taken as before it. */
  private static int rank(Object event) {
    return event instanceof Begun ? 0 : 1;
  }
}
