package dev.pgbelay.outbox;

import java.time.Duration;

/**
 * Notices that everything fails, and lets one message through now and then until one succeeds, so
 * that a destination that is down does not have all of its messages held. Guarded by its owner's
 * lock.
 */
final class DestinationPause {
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private final int mostFailing;
  private final RetryPauses pauses;
  private int failing;
  private int step;
  private long until;
  private boolean probing;

  DestinationPause(int mostFailing, RetryPauses pauses) {
    this.mostFailing = mostFailing;
    this.pauses = pauses;
  }

  boolean isOn() {
    return step > 0;
  }

  /** How many of the messages that wait may be begun now. */
  int admits(int waiting) {
    if (!isOn()) {
      return waiting;
    }
    return probing || nanosLeft() > 0 ? 0 : Math.min(1, waiting);
  }

  /** Until something may be begun, if nothing may now. */
  long nanosLeft() {
    return isOn() ? Math.max(0, until - System.nanoTime()) : 0;
  }

  void begun() {
    probing = isOn();
  }

  void endedWithoutResult() {
    probing = false;
  }

  /** Rejected ones say nothing of the destination. */
  void ended(int delivered, int failed) {
    probing = false;
    if (delivered > 0) {
      failing = 0;
      step = 0;
      return;
    }
    failing = Math.min(failing + failed, mostFailing);
    if (failed > 0 && failing >= mostFailing) {
      step++;
      Duration next = pauses.after(step);
      until = System.nanoTime() + (next.compareTo(LONGEST) > 0 ? LONGEST : next).toNanos();
    }
  }
}
