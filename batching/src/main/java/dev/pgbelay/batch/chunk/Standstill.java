package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Everything that makes a runner stand still: signals, a pause, the rate, waiters. Between two
 * looks it holds no connection; with each look it renews the lease and says why it waits.
 */
final class Standstill {
  private static final Logger LOG = LoggerFactory.getLogger(Standstill.class);

  private final JobPlan plan;
  private final JobSql sql;
  private final Fence fence;
  private final Patience patience;
  private final RunCount count;
  private final List<ThrottleSignal> between;
  private final List<ThrottleSignal> within;
  private long lastLook = System.nanoTime();
  private boolean looked;

  Standstill(JobPlan plan, JobSql sql, Fence fence, Patience patience, RunCount count) {
    this.plan = plan;
    this.sql = sql;
    this.fence = fence;
    this.patience = patience;
    this.count = count;
    this.between = plan.signals().stream().filter(signal -> !signal.withinChunk()).toList();
    this.within = plan.signals().stream().filter(ThrottleSignal::withinChunk).toList();
  }

  /** A reason to wait, and the signal or rule that has it. */
  private record Reason(String signal, String text) {}

  boolean signalsAreDue() {
    return !between.isEmpty()
        && (!looked || System.nanoTime() - lastLook >= plan.timing().signalInterval().toNanos());
  }

  boolean hasWaitersBehind(DSLContext dsl) {
    return within.stream().anyMatch(signal -> signal.reasonToWait(dsl, plan.table()).isPresent());
  }

  /**
   * Returns when nothing speaks against working, or the thread is interrupted.
   *
   * @param paused whether the job is known to be paused
   * @return whether the job was cancelled meanwhile
   * @throws LeaseLostException if the job was taken over meanwhile
   */
  boolean isCancelledAfterWaiting(boolean paused) {
    boolean isPaused = paused;
    boolean reported = false;
    while (!Thread.currentThread().isInterrupted()) {
      long began = System.nanoTime();
      Reason reason;
      JobSql.Renewed job;
      try {
        reason = isPaused ? new Reason("paused", "paused") : lookAtSignals();
        if (reason == null) {
          return false;
        }
        job = renew(reason.text());
        patience.reset();
      } catch (RuntimeException e) {
        patience.bear(e);
        continue;
      }
      if (job.state().equals("CANCELLED")) {
        return true;
      }
      boolean resumed = isPaused && job.state().equals("ACTIVE");
      isPaused = job.state().equals("PAUSED");
      plan.meters().waiting(job.throttledFor().toMillis());
      if (!reported && !isPaused && job.throttledFor().compareTo(plan.timing().stuckAfter()) > 0) {
        reported = true;
        LOG.warn(
            "job '{}' has been held up for {} by {}: {}. It goes on by itself when that ends;"
                + " JobControl.cancel() stops it",
            plan.name(),
            job.throttledFor(),
            reason.signal(),
            reason.text());
      }
      if (!resumed) {
        Patience.sleep(plan.timing().poll());
      }
      waited(reason.signal(), System.nanoTime() - began);
    }
    return false;
  }

  private @Nullable Reason lookAtSignals() {
    lastLook = System.nanoTime();
    looked = true;
    if (between.isEmpty()) {
      return null;
    }
    Optional<Reason> found =
        plan.transactions()
            .run(
                plan.briefRead("batch-chunk-signals"),
                tx -> {
                  for (ThrottleSignal signal : between) {
                    Optional<String> text = signal.reasonToWait(tx.dsl(), plan.table());
                    if (text.isPresent()) {
                      return Optional.of(
                          new Reason(signal.name(), signal.name() + ": " + text.get()));
                    }
                  }
                  return Optional.<Reason>empty();
                });
    if (found.isEmpty()) {
      plan.meters().waiting(0);
    }
    return found.orElse(null);
  }

  /** Lets those who waited for the chunk's locks work as long as the chunk kept them waiting. */
  void yieldToWaiters(long nanos) {
    pause("lock_waiters", nanos);
  }

  /** Keeps the rate. */
  void pace(Duration pause) {
    if (!pause.isNegative() && !pause.isZero()) {
      pause("rate", pause.toNanos());
    }
  }

  private void pause(String signal, long nanos) {
    long began = System.nanoTime();
    long renewEvery = plan.timing().lease().toNanos() / 3;
    long left = nanos;
    while (left > 0 && !Thread.currentThread().isInterrupted()) {
      Patience.sleep(Duration.ofNanos(Math.min(left, renewEvery)));
      left = nanos - (System.nanoTime() - began);
      if (left > 0 && !isActive(signal)) {
        break;
      }
    }
    waited(signal, System.nanoTime() - began);
  }

  private boolean isActive(String reason) {
    try {
      boolean active = renew(reason).state().equals("ACTIVE");
      patience.reset();
      return active;
    } catch (RuntimeException e) {
      patience.bear(e);
      return true;
    }
  }

  /** Keeps the claim while chunks fail, as far as the database lets. */
  void keepClaim() {
    try {
      renew(null);
    } catch (LeaseLostException e) {
      throw e;
    } catch (RuntimeException e) {
      LOG.debug("job '{}': the lease could not be renewed", plan.name(), e);
    }
  }

  private JobSql.Renewed renew(@Nullable String reason) {
    return plan.transactions()
        .run(
            plan.brief("batch-chunk-renew"),
            tx -> sql.renew(tx.dsl(), fence, plan.timing().lease(), reason))
        .orElseThrow(() -> new LeaseLostException(plan.name()));
  }

  private void waited(String signal, long nanos) {
    count.waitedNanos += nanos;
    plan.meters().waited(signal, nanos);
  }
}
