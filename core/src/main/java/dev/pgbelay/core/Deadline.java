package dev.pgbelay.core;

import java.time.Duration;

/** A point on the JVM's monotonic clock. */
record Deadline(long atNanos) {
  static Deadline in(Duration time) {
    return new Deadline(System.nanoTime() + time.toNanos());
  }

  long remainingNanos() {
    return Math.max(0, atNanos - System.nanoTime());
  }

  boolean hasPassed() {
    return remainingNanos() == 0;
  }

  Deadline earlierOf(Deadline other) {
    return atNanos - other.atNanos <= 0 ? this : other;
  }
}
