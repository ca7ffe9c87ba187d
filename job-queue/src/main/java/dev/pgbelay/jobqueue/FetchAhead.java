package dev.pgbelay.jobqueue;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * How many jobs to have at hand beside those that run: as many as were begun in a moment lately, so
 * that no thread waits for a claim, and no more, since others may have them. Told and asked by any
 * thread, measured by one at a time.
 */
final class FetchAhead {
  /** The most jobs that wait here for a thread. */
  private static final int MOST = 4_000;

  /** So much work is fetched ahead. */
  private static final double SECONDS = 0.1;

  private final AtomicInteger begun = new AtomicInteger();
  private volatile int jobs;
  private long measuredAt = System.nanoTime();
  private int measuredBegun;

  int jobs() {
    return jobs;
  }

  void begun() {
    begun.incrementAndGet();
  }

  /** Too many were fetched: begins anew. */
  void none() {
    jobs = 0;
  }

  /** From how many jobs were begun since the last time, how many are to be fetched ahead. */
  void measure(boolean someWait) {
    long now = System.nanoTime();
    long nanos = now - measuredAt;
    int count = begun.get() - measuredBegun;
    if (nanos < TimeUnit.MILLISECONDS.toNanos(1) || (count == 0 && !someWait)) {
      return;
    }
    double perSecond = count * 1e9 / nanos;
    int wanted = (int) Math.min(MOST, perSecond * SECONDS);
    jobs = Math.max(wanted, jobs - Math.max(1, jobs / 4));
    measuredAt = now;
    measuredBegun = begun.get();
  }
}
