package dev.pgbelay.jobqueue;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The deadline of the attempt that runs on a thread, and the wish to cancel it. Both interrupt that
 * attempt and no other: begin and end are seen by whoever looks at the clock.
 */
final class AttemptClock {
  private static final Logger LOG = LoggerFactory.getLogger(AttemptClock.class);

  /** After so long past the interrupt a handler is told to ignore it. */
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(1);

  private @Nullable ClaimedJob running;
  private @Nullable Thread thread;
  private @Nullable JobContext context;
  private @Nullable String cancelledFor;
  private long endsAt;
  private boolean bounded;
  private boolean interrupted;
  private boolean reported;

  synchronized void begin(ClaimedJob job, JobContext handed, Optional<Duration> deadline) {
    running = job;
    context = handed;
    cancelledFor = null;
    thread = Thread.currentThread();
    bounded = deadline.isPresent();
    endsAt = System.nanoTime() + deadline.orElse(Duration.ZERO).toNanos();
    interrupted = false;
    reported = false;
  }

  /**
   * What was done to an attempt.
   *
   * @param overdue it was interrupted at its deadline
   * @param cancelledFor why somebody wanted it cancelled
   */
  record Ended(boolean overdue, @Nullable String cancelledFor) {}

  synchronized Ended end() {
    running = null;
    context = null;
    return new Ended(interrupted, cancelledFor);
  }

  /** Tells the attempt, if it is of one of these jobs, and interrupts it. */
  synchronized void cancel(Map<Long, String> reasons) {
    if (running == null || context == null || thread == null || cancelledFor != null) {
      return;
    }
    String reason = reasons.get(running.id());
    if (reason != null) {
      cancelledFor = reason;
      context.cancel();
      LOG.info("{} is to be cancelled: interrupting it", running);
      thread.interrupt();
    }
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
