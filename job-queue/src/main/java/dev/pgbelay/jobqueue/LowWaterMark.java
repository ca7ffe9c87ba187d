package dev.pgbelay.jobqueue;

import java.time.Duration;

/**
 * Where a claim begins to look. While an old snapshot keeps dead rows from being cleaned up, a
 * claim that begins at the front walks all of them again; one that begins where the last one ended
 * does not. What appears before the mark (a head start, a job handed back, a commit that took long)
 * is found by a look at everything now and then.
 *
 * <p>Used by one thread at a time.
 */
final class LowWaterMark {
  private final FullLooks fullLooks = new FullLooks();
  private Spot spot = Spot.FRONT;

  /** A job's place, and its id among those of the same place. */
  record Spot(long place, long id) {
    static final Spot FRONT = new Spot(Long.MIN_VALUE, Long.MIN_VALUE);
  }

  /** A look at all that stands behind a spot, about to be taken. */
  record Look(Spot behind, boolean full, long startedAt) {}

  Look look() {
    long now = System.nanoTime();
    boolean full = spot.equals(Spot.FRONT) || fullLooks.isDue(now);
    return new Look(full ? Spot.FRONT : spot, full, now);
  }

  void claimedUpTo(Spot last) {
    spot = last;
  }

  void looked(Look look) {
    if (look.full()) {
      fullLooks.looked(look.startedAt());
    }
  }

  /** When a look may find what none finds now. */
  Duration untilFullLook() {
    return fullLooks.untilNext();
  }
}
