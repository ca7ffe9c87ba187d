package dev.pgbelay.core;

import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The places of one path. A semaphore of the JDK and not Resilience4j's bulkhead: that one waits
 * for the same time whoever asks, and a call must not wait beyond its own deadline.
 */
final class PathBulkhead {
  private final String path;
  private final int places;
  private final long maxWaitNanos;
  private final Semaphore free;

  /**
   * @throws PgBelayException naming the path, the value and its range
   */
  PathBulkhead(String path, int places, Duration maxWait) {
    if (places < 1) {
      throw new PgBelayException(
          "bulkhead '" + path + "': maxConcurrent must be at least 1, is " + places);
    }
    if (maxWait.isNegative()) {
      throw new PgBelayException(
          "bulkhead '" + path + "': maxWait must not be negative, is " + maxWait);
    }
    this.path = path;
    this.places = places;
    this.maxWaitNanos = TimeUnit.NANOSECONDS.convert(maxWait);
    this.free = new Semaphore(places, true);
  }

  String path() {
    return path;
  }

  int places() {
    return places;
  }

  /** Takes a place if one comes free in time: within the longest wait, and the deadline. */
  boolean enter(@Nullable Deadline deadline) throws InterruptedException {
    long wait = deadline == null ? maxWaitNanos : Math.min(maxWaitNanos, deadline.remainingNanos());
    return wait == 0 ? free.tryAcquire() : free.tryAcquire(wait, TimeUnit.NANOSECONDS);
  }

  void leave() {
    free.release();
  }
}
