package dev.pgbelay.reconcile.propagate;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How long a worker rests after a chunk. Thread-safe.
 *
 * @param dutyPercent share of the time in which it may work
 */
record PropagationPacing(int rowsPerSecond, Duration pause, int dutyPercent, Sleeper sleeper) {
  static final int NO_RATE = 0;
  private static final long MOST_OF_DUTY = TimeUnit.SECONDS.toNanos(5);

  /** Rests, and tells the time; tests only take notes. */
  @FunctionalInterface
  interface Sleeper {
    void sleep(long nanos) throws InterruptedException;

    default long nanoTime() {
      return System.nanoTime();
    }
  }

  void after(int rows, long tookNanos) {
    long rest = rest(rows, tookNanos);
    if (rest > 0) {
      try {
        sleeper.sleep(rest);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Nanoseconds; the longest that anything asks for. */
  long rest(int rows, long tookNanos) {
    long untilDue =
        rowsPerSecond == NO_RATE ? 0 : Math.round(1e9 * rows / rowsPerSecond) - tookNanos;
    long ofDuty = Math.min(MOST_OF_DUTY, tookNanos * (100 - dutyPercent) / dutyPercent);
    return Math.max(pause.toNanos(), Math.max(untilDue, ofDuty));
  }
}
