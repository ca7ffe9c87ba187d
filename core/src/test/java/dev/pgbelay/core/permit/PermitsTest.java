package dev.pgbelay.core.permit;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.ratelimiter.RateLimiter;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What is reserved, given back and used of each sort of permit, counted one by one. */
class PermitsTest {
  private static final Duration LONG = Duration.ofDays(1);

  private static CircuitBreaker halfOpen(int probes) {
    CircuitBreaker breaker =
        CircuitBreaker.of(
            "breaker",
            CircuitBreakerConfig.custom()
                .permittedNumberOfCallsInHalfOpenState(probes)
                .waitDurationInOpenState(LONG)
                .build());
    breaker.transitionToOpenState();
    breaker.transitionToHalfOpenState();
    return breaker;
  }

  @Test
  void breakerThatIsHalfOpen_getsBackWhatWasReservedInVain() {
    ClaimPermit permit = Permits.byBreaker(halfOpen(3));
    assertThat(permit.reserveAhead(5)).isZero();
    for (int i = 0; i < 3; i++) {
      assertThat(permit.reserve(5)).isEqualTo(3);
      assertThat(permit.reserve(5)).isZero();
      permit.release(3);
    }
  }

  @Test
  void probeThatBegins_isNotCountedTwice() {
    CircuitBreaker breaker = halfOpen(2);
    ClaimPermit permit = Permits.byBreaker(breaker);
    assertThat(permit.reserve(2)).isEqualTo(2);
    assertThat(permit.begin()).isTrue();
    assertThat(permit.begin()).isTrue();
    assertThat(permit.begin()).as("a third one").isFalse();
    permit.end(Duration.ZERO, Optional.empty());
    permit.end(Duration.ZERO, Optional.empty());
    assertThat(breaker.getState()).isEqualTo(CircuitBreaker.State.CLOSED);
  }

  @Test
  void bulkhead_getsBackWhatWasReservedInVainAndWhatHasEnded() {
    ClaimPermit permit =
        Permits.byBulkhead(
            Bulkhead.of("bulkhead", BulkheadConfig.custom().maxConcurrentCalls(3).build()));
    for (int i = 0; i < 3; i++) {
      assertThat(permit.reserve(5)).isEqualTo(3);
      assertThat(permit.reserve(5)).isZero();
      assertThat(permit.begin()).isTrue();
      permit.end(Duration.ZERO, Optional.empty());
      permit.release(2);
    }
  }

  @Test
  void limiter_isPromisedOnceAndTakenOnce() {
    ClaimPermit permit =
        Permits.byLimiter(
            RateLimiter.of(
                "limiter",
                RateLimiterConfig.custom()
                    .limitForPeriod(5)
                    .limitRefreshPeriod(LONG)
                    .timeoutDuration(Duration.ZERO)
                    .build()));
    assertThat(permit.reserve(2)).isEqualTo(2);
    assertThat(permit.reserve(9)).as("what is promised is not promised again").isEqualTo(3);
    permit.release(3);
    assertThat(permit.begin()).isTrue();
    assertThat(permit.begin()).isTrue();
    assertThat(permit.reserve(9)).as("what is taken is not promised any more").isEqualTo(3);
    for (int i = 0; i < 3; i++) {
      assertThat(permit.begin()).isTrue();
    }
    assertThat(permit.reserve(1)).isZero();
  }
}
