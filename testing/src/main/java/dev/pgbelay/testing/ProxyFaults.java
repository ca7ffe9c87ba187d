package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.testing.CommitTracker.Fate;
import dev.pgbelay.testing.FaultProxy.Direction;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The faults that are set at the moment, and what they have done. All access is synchronised. */
final class ProxyFaults {
  private static final class Armed {
    private final Fate fate;
    private int commitsToGo;

    Armed(Fate fate, int nth) {
      this.fate = fate;
      this.commitsToGo = nth;
    }
  }

  private final Set<Direction> frozen = EnumSet.noneOf(Direction.class);
  private final Map<Direction, Long> bytesToGo = new EnumMap<>(Direction.class);
  private final List<Armed> armed = new ArrayList<>();
  private @Nullable Random random;
  private double shareBefore;
  private double shareAfter;
  private long delayNanos;

  private long accepted;
  private long roundTrips;
  private long commits;
  private long cutsBefore;
  private long cutsAfter;
  private long cutsAtByte;
  private final Map<Direction, Long> forwarded = new EnumMap<>(Direction.class);

  synchronized void arm(Fate fate, int nth) {
    if (nth < 1) {
      throw new PgBelayException("the nth commit is counted from 1, not " + nth);
    }
    armed.add(new Armed(fate, nth));
  }

  synchronized void cutAtRandom(long seed, double before, double after) {
    if (!(before >= 0 && after >= 0 && before + after <= 1)) {
      throw new PgBelayException(
          "shares are between 0 and 1 and sum to at most 1: " + before + ", " + after);
    }
    random = new Random(seed);
    shareBefore = before;
    shareAfter = after;
  }

  synchronized Fate judgeCommit() {
    commits++;
    Fate fate = randomFate();
    for (Armed each : List.copyOf(armed)) {
      if (--each.commitsToGo == 0) {
        armed.remove(each);
        fate = each.fate;
      }
    }
    return fate;
  }

  private Fate randomFate() {
    if (random == null) {
      return Fate.PASS;
    }
    double drawn = random.nextDouble();
    if (drawn < shareBefore) {
      return Fate.CUT_BEFORE;
    }
    return drawn < shareBefore + shareAfter ? Fate.CUT_AFTER : Fate.PASS;
  }

  synchronized void cutAfterBytes(Direction direction, long bytes) {
    if (bytes < 0) {
      throw new PgBelayException("bytes is " + bytes + ": at least 0");
    }
    bytesToGo.put(direction, bytes);
  }

  synchronized int bytesAllowed(Direction direction, int wanted) {
    int allowed = wanted;
    Long left = bytesToGo.get(direction);
    if (left != null) {
      if (left < wanted) {
        allowed = Math.toIntExact(left);
        bytesToGo.remove(direction);
        cutsAtByte++;
      } else {
        bytesToGo.put(direction, left - wanted);
      }
    }
    forwarded.merge(direction, (long) allowed, Long::sum);
    return allowed;
  }

  synchronized void freeze(Set<Direction> directions) {
    frozen.addAll(directions);
  }

  synchronized void thaw() {
    frozen.clear();
    notifyAll();
  }

  synchronized void wakeWaiters() {
    notifyAll();
  }

  /** Returns false for a connection that was lost while its direction was frozen. */
  synchronized boolean awaitThaw(Direction direction, ProxyConnection connection)
      throws InterruptedException {
    while (frozen.contains(direction) && connection.isOpen()) {
      wait();
    }
    return !frozen.contains(direction);
  }

  synchronized void delay(Duration roundTrip) {
    if (roundTrip.isNegative()) {
      throw new PgBelayException("a delay cannot be negative: " + roundTrip);
    }
    delayNanos = roundTrip.toNanos() / 2;
  }

  /** The delay of one direction. */
  synchronized long delayNanos() {
    return delayNanos;
  }

  synchronized void heal() {
    armed.clear();
    random = null;
    bytesToGo.clear();
    delayNanos = 0;
    thaw();
  }

  synchronized void countAccepted() {
    accepted++;
  }

  synchronized void countRoundTrip() {
    roundTrips++;
  }

  synchronized void countCut(Fate fate) {
    if (fate == Fate.CUT_BEFORE) {
      cutsBefore++;
    } else {
      cutsAfter++;
    }
  }

  synchronized FaultProxy.Counters counters(int open) {
    return new FaultProxy.Counters(
        accepted,
        open,
        roundTrips,
        commits,
        cutsBefore,
        cutsAfter,
        cutsAtByte,
        forwarded.getOrDefault(Direction.TO_SERVER, 0L),
        forwarded.getOrDefault(Direction.TO_CLIENT, 0L));
  }
}
