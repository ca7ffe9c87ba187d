package dev.pgbelay.core.permit;

import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.ratelimiter.RateLimiter;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Permits by what Resilience4j has; needs its module for that. The attempt is the call: the work
 * must not be decorated with the same breaker, bulkhead or limiter again. All are safe for several
 * threads.
 */
public final class Permits {
  private Permits() {}

  /**
   * Nothing is claimed while the breaker is open. When its wait is over, as many rows are claimed
   * as it admits in its half-open state; their ends decide. While it is closed rows are fetched
   * ahead, and each asks it when its turn comes: those that it refuses go back, and no attempt of
   * theirs counts. What the work throws is recorded as the breaker is configured; what it returns
   * counts as success.
   */
  public static ClaimPermit byBreaker(CircuitBreaker breaker) {
    return new OfBreaker(breaker);
  }

  /**
   * As many at once as the bulkhead has places. Does not wait for one, whatever is configured.
   * Nothing is fetched ahead: it would hold places that others may use.
   */
  public static ClaimPermit byBulkhead(Bulkhead bulkhead) {
    return new OfBulkhead(bulkhead);
  }

  /**
   * As many are claimed as the limiter has permissions left; each attempt takes one, and waits for
   * it up to the limiter's timeout if others were quicker. For this process; a rate over all of
   * them needs state that they share, as a limit of a job queue is.
   */
  public static ClaimPermit byLimiter(RateLimiter limiter) {
    return new OfLimiter(limiter);
  }

  /** Asked for permissions before the claim unless it is closed, and then when a row begins. */
  private static final class OfBreaker implements ClaimPermit {
    private final CircuitBreaker breaker;

    /** Permissions that were taken before a claim and not used or given back since. */
    private final AtomicInteger taken = new AtomicInteger();

    OfBreaker(CircuitBreaker breaker) {
      this.breaker = breaker;
    }

    private boolean admitsAll() {
      return switch (breaker.getState()) {
        case CLOSED, DISABLED, METRICS_ONLY -> true;
        case OPEN, FORCED_OPEN, HALF_OPEN -> false;
      };
    }

    @Override
    public int reserve(int wanted) {
      if (admitsAll()) {
        return wanted;
      }
      int reserved = 0;
      while (reserved < wanted && breaker.tryAcquirePermission()) {
        taken.incrementAndGet();
        reserved++;
      }
      return reserved;
    }

    @Override
    public int reserveAhead(int wanted) {
      return admitsAll() ? wanted : 0;
    }

    @Override
    public void release(int unused) {
      for (int i = 0; i < unused && useTaken(); i++) {
        breaker.releasePermission();
      }
    }

    /** A permission that was taken while the breaker was half-open admits nothing once it opens. */
    @Override
    public boolean begin() {
      if (!useTaken()) {
        return breaker.tryAcquirePermission();
      }
      if (breaker.getState() == State.OPEN || breaker.getState() == State.FORCED_OPEN) {
        breaker.releasePermission();
        return false;
      }
      return true;
    }

    private boolean useTaken() {
      return taken.getAndUpdate(count -> Math.max(0, count - 1)) > 0;
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

  private static final class OfLimiter implements ClaimPermit {
    private final RateLimiter limiter;

    /** Rows that were claimed for permissions which they have not taken yet. */
    private final AtomicInteger promised = new AtomicInteger();

    OfLimiter(RateLimiter limiter) {
      this.limiter = limiter;
    }

    @Override
    public int reserve(int wanted) {
      int free = limiter.getMetrics().getAvailablePermissions() - promised.get();
      int reserved = Math.max(0, Math.min(wanted, free));
      promised.addAndGet(reserved);
      return reserved;
    }

    @Override
    public int reserveAhead(int wanted) {
      return reserve(wanted);
    }

    @Override
    public void release(int unused) {
      promised.addAndGet(-unused);
    }

    @Override
    public boolean begin() {
      promised.decrementAndGet();
      return limiter.acquirePermission();
    }

    @Override
    public void end(Duration took, Optional<Throwable> failure) {}
  }
}
