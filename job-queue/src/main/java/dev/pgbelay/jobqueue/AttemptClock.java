package dev.pgbelay.jobqueue;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The deadline of the attempt that runs on a thread. It interrupts that attempt and no other: begin
 * and end are seen by whoever looks at the clock.
 */
final class AttemptClock {
  private static final Logger LOG = LoggerFactory.getLogger(AttemptClock.class);

  /** After so long past the interrupt a handler is told to ignore it. */
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(1);

  private @Nullable ClaimedJob running;
  private @Nullable Thread thread;
  private long endsAt;
  private boolean bounded;
  private boolean interrupted;
  private boolean reported;

  synchronized void begin(ClaimedJob job, Optional<Duration> deadline) {
    running = job;
    thread = Thread.currentThread();
    bounded = deadline.isPresent();
    endsAt = System.nanoTime() + deadline.orElse(Duration.ZERO).toNanos();
    interrupted = false;
    reported = false;
  }

  /** Whether it was interrupted by this clock. */
  synchronized boolean end() {
    running = null;
    return interrupted;
  }

  synchronized void check(WorkMeters meters) {
    long late = System.nanoTime() - endsAt;
    if (running == null || thread == null || !bounded || late < 0) {
      return;
    }
    if (!interrupted) {
      interrupted = true;
      meters.overdue();
      LOG.warn("{} is past its deadline: interrupting it", running);
      thread.interrupt();
    } else if (!reported && late > PATIENCE) {
      reported = true;
      meters.ignoredInterrupt();
      LOG.error("{} does not heed its interrupt, and keeps its thread", running);
    }
  }
}
