package dev.pgbelay.jobqueue.permit;

import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.ratelimiter.RateLimiter;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Permits by what Resilience4j has; needs its module for that. The attempt is the call: the handler
 * must not be decorated with the same breaker, bulkhead or limiter again. All are safe for several
 * threads.
 */
public final class Permits {
  private Permits() {}

  /**
   * Nothing is claimed while the breaker is open. When its wait is over, as many jobs are claimed
   * as it admits in its half-open state; their ends decide. What handlers throw is recorded as the
   * breaker is configured; what they return counts as success.
   */
  public static ClaimPermit byBreaker(CircuitBreaker breaker) {
    return new OfBreaker(breaker);
  }

  /** As many at once as the bulkhead has places. Does not wait for one, whatever is configured. */
  public static ClaimPermit byBulkhead(Bulkhead bulkhead) {
    return new OfBulkhead(bulkhead);
  }

  /**
   * As many are claimed as the limiter has permissions left; each attempt takes one, and waits for
   * it up to the limiter's timeout if others were quicker. For this process; a rate over all of
   * them is a limit of the queue.
   */
  public static ClaimPermit byLimiter(RateLimiter limiter) {
    return new OfLimiter(limiter);
  }

  private record OfBreaker(CircuitBreaker breaker) implements ClaimPermit {
    @Override
    public int reserve(int wanted) {
      int reserved = 0;
      while (reserved < wanted && breaker.tryAcquirePermission()) {
        reserved++;
      }
      return reserved;
    }

    @Override
    public void release(int unused) {
      for (int i = 0; i < unused; i++) {
        breaker.releasePermission();
      }
    }

    @Override
    public void end(Duration took, Optional<Throwable> failure) {
      failure.ifPresentOrElse(
          thrown -> breaker.onError(took.toNanos(), TimeUnit.NANOSECONDS, thrown),
          () -> breaker.onSuccess(took.toNanos(), TimeUnit.NANOSECONDS));
    }
  }

  private record OfBulkhead(Bulkhead bulkhead) implements ClaimPermit {
    @Override
    public int reserve(int wanted) {
      int free = Math.min(wanted, bulkhead.getMetrics().getAvailableConcurrentCalls());
      int reserved = 0;
      while (reserved < free && bulkhead.tryAcquirePermission()) {
        reserved++;
      }
      return reserved;
    }

    @Override
    public void release(int unused) {
      for (int i = 0; i < unused; i++) {
        bulkhead.releasePermission();
      }
    }

    @Override
    public void end(Duration took, Optional<Throwable> failure) {
      bulkhead.onComplete();
    }
  }

  private record OfLimiter(RateLimiter limiter) implements ClaimPermit {
    @Override
    public int reserve(int wanted) {
      return Math.max(0, Math.min(wanted, limiter.getMetrics().getAvailablePermissions()));
    }

    @Override
    public void release(int unused) {}

    @Override
    public boolean begin() {
      return limiter.acquirePermission();
    }

    @Override
    public void end(Duration took, Optional<Throwable> failure) {}
  }
}
