package dev.pgbelay.idempotency.internal;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Pauses that grow, with jitter, until a time is over. For one thread. */
public final class Polling {
  private static final Duration FIRST = Duration.ofMillis(5);
  private static final Duration LONGEST = Duration.ofMillis(250);

  private final long start = System.nanoTime();
  private final long limit;
  private long mean = FIRST.toNanos();

  public Polling(Duration limit) {
    this.limit = limit.toNanos();
  }

  public Duration elapsed() {
    return Duration.ofNanos(System.nanoTime() - start);
  }

  /**
   * Whether there is time for another look; not once the thread was interrupted, which it stays.
   */
  public boolean pause() {
    long left = limit - (System.nanoTime() - start);
    if (left <= 0) {
      return false;
    }
    long jittered = ThreadLocalRandom.current().nextLong(mean / 2, mean * 3 / 2);
    mean = Math.min(mean * 2, LONGEST.toNanos());
    try {
      Thread.sleep(Duration.ofNanos(Math.min(left, jittered)).toMillis() + 1);
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
