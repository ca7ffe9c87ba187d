package dev.pgbelay.reconcile.propagate;

import java.time.Duration;

/** How long a worker rests after a chunk. Thread-safe. */
record PropagationPacing(int rowsPerSecond, Duration pause, Sleeper sleeper) {
  static final int NO_RATE = 0;

  /** Rests; tests only take notes. */
  @FunctionalInterface
  interface Sleeper {
    void sleep(long nanos) throws InterruptedException;
  }

  void after(int rows, long tookNanos) {
    long rest = Math.max(pause.toNanos(), due(rows, tookNanos));
    if (rest > 0) {
      try {
        sleeper.sleep(rest);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Nanoseconds until as many rows were due. */
  long due(int rows, long tookNanos) {
    return rowsPerSecond == NO_RATE ? 0 : Math.round(1e9 * rows / rowsPerSecond) - tookNanos;
  }
}
