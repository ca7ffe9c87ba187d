package dev.pgbelay.jobqueue;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * When a look that begins at a mark is to be one at everything: while that is cheap, always; when
 * it has become dear, as behind an old snapshot, so seldom that it takes a twentieth of the time,
 * and once a minute at least. Dear is what took long twice in a row: a look in which the process or
 * the server stood still says nothing of what the next one will take.
 *
 * <p>Used by one thread at a time.
 */
final class FullLooks {
  private static final long SELDOM = TimeUnit.MINUTES.toNanos(1);
  private static final int SHARE = 20;

  /** What takes less is not worth a mark. */
  private static final long CHEAP = TimeUnit.MILLISECONDS.toNanos(5);

  private long next = System.nanoTime();
  private long last;
  private long cost;

  /** Whether it is time for one. */
  boolean isDue(long now) {
    return now - next >= 0;
  }

  /** Whether it is time for one, or the last one was so cheap that there may be one each time. */
  boolean isDueOrCheap(long now) {
    return cost < CHEAP || isDue(now);
  }

  /** One that began then has ended. */
  void looked(long startedAt) {
    took(System.nanoTime() - startedAt);
  }

  /** One that took so long has ended. */
  void took(long nanos) {
    cost = Math.min(last, nanos);
    last = nanos;
    next = System.nanoTime() + Math.min(SELDOM, SHARE * cost);
  }

  /** Until the next one. */
  Duration untilNext() {
    return Duration.ofNanos(Math.max(TimeUnit.MILLISECONDS.toNanos(1), next - System.nanoTime()));
  }
}
