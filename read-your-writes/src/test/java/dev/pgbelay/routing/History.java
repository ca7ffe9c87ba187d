package dev.pgbelay.routing;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

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
   * @param timeline of a write: where it was committed; else 0
   * @param known the newest timeline that its process knew of before it began
   */
  record Op(
      long session,
      boolean write,
      int key,
      long value,
      long begun,
      long ended,
      String node,
      int timeline,
      int known) {
    String done() {
      return (write ? "written on " : "seen on ") + node;
    }
  }

  /** From then on the one has to see what the other had by then. */
  record Handed(long from, long to, long at) {}

  record Violation(Op op, Op missed) {
    @Override
    public String toString() {
      return "session "
          + op.session()
          + (op.write() ? " wrote " : " saw ")
          + op.value()
          + " of key "
          + op.key()
          + " on "
          + op.node()
          + ", after "
          + missed.value()
          + " "
          + missed.done()
          + ": "
          + missed
          + " then "
          + op;
    }
  }

  private final ConcurrentLinkedQueue<Op> ops = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Handed> handed = new ConcurrentLinkedQueue<>();
  private final AtomicInteger size = new AtomicInteger();

  void add(Op op) {
    ops.add(op);
    size.incrementAndGet();
  }

  void add(Handed hand) {
    handed.add(hand);
  }

  void addAll(History other) {
    other.ops.forEach(this::add);
    other.handed.forEach(this::add);
  }

  int size() {
    return size.get();
  }

  long reads() {
    return ops.stream().filter(op -> !op.write()).count();
  }

  long readsOn(String node) {
    return ops.stream().filter(op -> !op.write() && op.node().equals(node)).count();
  }

  long handed() {
    return handed.size();
  }

  void write(Path file) throws IOException {
    try (BufferedWriter out = Files.newBufferedWriter(file)) {
      for (Op op : ops) {
        out.write(
            "%s %d %d %d %d %d %s %d %d%n"
                .formatted(
                    op.write() ? "w" : "r",
                    op.session(),
                    op.key(),
                    op.value(),
                    op.begun(),
                    op.ended(),
                    op.node(),
                    op.timeline(),
                    op.known()));
      }
      for (Handed hand : handed) {
        out.write("h %d %d %d%n".formatted(hand.from(), hand.to(), hand.at()));
      }
    }
  }

  void read(Path file) throws IOException {
    try (BufferedReader in = Files.newBufferedReader(file)) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] at = line.split(" ", -1);
        if (at[0].equals("h")) {
          add(new Handed(Long.parseLong(at[1]), Long.parseLong(at[2]), Long.parseLong(at[3])));
        } else {
          add(
              new Op(
                  Long.parseLong(at[1]),
                  at[0].equals("w"),
                  Integer.parseInt(at[2]),
                  Long.parseLong(at[3]),
                  Long.parseLong(at[4]),
                  Long.parseLong(at[5]),
                  at[6].intern(),
                  Integer.parseInt(at[7]),
                  Integer.parseInt(at[8])));
        }
      }
    }
  }

  /** Writes that went to a primary of which their process knew that it had been left behind. */
  List<Op> writesToDemoted() {
    return ops.stream().filter(op -> op.write() && op.timeline() < op.known()).toList();
  }

  /** In the order in which they begin; what ends before one begins, it has to see. */
  List<Violation> violations() {
    List<Object> events = new ArrayList<>(2 * size());
    for (Op op : ops) {
      events.add(new Begun(op));
      events.add(op);
    }
    events.addAll(handed);
    events.sort(Comparator.comparingLong(History::time).thenComparingInt(History::rank));
    Map<Long, Map<Integer, Op>> known = new HashMap<>();
    Map<Op, Op> due = new HashMap<>();
    List<Violation> found = new ArrayList<>();
    for (Object event : events) {
      if (event instanceof Begun begun) {
        Op before = known(known, begun.op().session()).get(begun.op().key());
        if (before != null) {
          due.put(begun.op(), before);
        }
      } else if (event instanceof Op op) {
        Op expected = due.remove(op);
        if (expected != null && op.value() < expected.value()) {
          found.add(new Violation(op, expected));
        }
        known(known, op.session()).merge(op.key(), op, History::higher);
      } else if (event instanceof Handed hand) {
        Map<Integer, Op> to = known(known, hand.to());
        known
            .getOrDefault(hand.from(), Map.of())
            .forEach((key, op) -> to.merge(key, op, History::higher));
      }
    }
    return found;
  }

  private static Map<Integer, Op> known(Map<Long, Map<Integer, Op>> all, long session) {
    return all.computeIfAbsent(session, any -> new HashMap<>());
  }

  private static Op higher(Op one, Op other) {
    return one.value() >= other.value() ? one : other;
  }

  private record Begun(Op op) {}

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
