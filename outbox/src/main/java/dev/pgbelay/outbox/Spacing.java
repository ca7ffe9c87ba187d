package dev.pgbelay.outbox;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * Keeps statements that find little from following each other without a pause: while producers
 * commit all the time, one that waits a moment finds more, and leaves the server to them. What
 * comes after a quiet time does not wait. Used by one thread.
 */
final class Spacing {
  private static final int TIMES = 8;

  private final long longest;
  private long endedAt;
  private long pause;

  Spacing(Duration longest) {
    this.longest = longest.toNanos();
  }

  /** Waits until the next statement is due, which it is at once after one that found much. */
  void await() {
    if (pause > 0) {
      for (long left = endedAt + pause - System.nanoTime();
          left > 0 && !Thread.currentThread().isInterrupted();
          left = endedAt + pause - System.nanoTime()) {
        LockSupport.parkNanos(left);
      }
    }
  }

  /** A statement that was begun then has ended. */
  void ended(long begunAt, boolean foundMuch) {
    endedAt = System.nanoTime();
    pause = foundMuch ? 0 : Math.min(longest, TIMES * (endedAt - begunAt));
  }
}
