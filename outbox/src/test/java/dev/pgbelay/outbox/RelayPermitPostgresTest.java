package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.permit.Permits;
import dev.pgbelay.testing.PostgresExtension;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.ratelimiter.RateLimiter;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages of a destination whose permit refuses stay where they are, and lose no attempts. */
class RelayPermitPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  /** Asked this often, a relay has looked at its permit several times. */
  private static void awaitAsked(AtomicInteger asked) {
    int before = asked.get();
    RelayFixture.await(() -> asked.get() >= before + 10);
  }

  private static CircuitBreaker breaker() {
    return CircuitBreaker.of(
        "test",
        CircuitBreakerConfig.custom()
            .slidingWindowSize(4)
            .minimumNumberOfCalls(4)
            .failureRateThreshold(50)
            .permittedNumberOfCallsInHalfOpenState(2)
            .waitDurationInOpenState(Duration.ofHours(1))
            .build());
  }

  /** Counts how often it is asked. */
  private static dev.pgbelay.core.permit.ClaimPermit counting(
      dev.pgbelay.core.permit.ClaimPermit of, AtomicInteger asked) {
    return new dev.pgbelay.core.permit.ClaimPermit() {
      @Override
      public int reserve(int wanted) {
        int reserved = of.reserve(wanted);
        asked.incrementAndGet();
        return reserved;
      }

      @Override
      public void release(int unused) {
        of.release(unused);
      }

      @Override
      public boolean begin() {
        return of.begin();
      }

      @Override
      public void end(Duration took, java.util.Optional<Throwable> failure) {
        of.end(took, failure);
      }
    };
  }

  @Test
  void openBreaker_letsNothingBeginAndHalfOpenTheProbesOnly() {
    CircuitBreaker breaker = breaker();
    breaker.transitionToOpenState();
    fixture.appendMany(200, 20);
    Semaphore ends = new Semaphore(0);
    AtomicInteger running = new AtomicInteger();
    AtomicInteger asked = new AtomicInteger();
    Collected collected =
        new Collected(10)
            .answering(
                message -> {
                  running.incrementAndGet();
                  ends.acquire();
                  running.decrementAndGet();
                  return Delivery.delivered();
                });
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withPermit(counting(Permits.byBreaker(breaker), asked)));
    awaitAsked(asked);
    assertThat(running).hasValue(0);
    assertThat(fixture.messages()).isEqualTo(200);
    breaker.transitionToHalfOpenState();
    ends.release(1);
    RelayFixture.await(() -> collected.count() + running.get() == 2 || collected.count() >= 1);
    awaitAsked(asked);
    assertThat(collected.count() + running.get())
        .as("no more than the probes")
        .isLessThanOrEqualTo(2);
    assertThat(fixture.heldKeys()).isZero();
    ends.release(100_000);
    RelayFixture.await(fixture::isEmpty);
    assertThat(breaker.getState()).isEqualTo(CircuitBreaker.State.CLOSED);
    assertThat(collected.all()).allSatisfy(one -> assertThat(one.attempt()).isEqualTo(1));
    collected.assertOrdered();
  }

  @Test
  void failures_openTheBreakerAndSpareTheRest() {
    CircuitBreaker breaker = breaker();
    fixture.appendMany(100, 100);
    AtomicBoolean down = new AtomicBoolean(true);
    AtomicInteger asked = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    Collected collected =
        new Collected(1)
            .answering(
                message -> {
                  if (down.get()) {
                    failed.incrementAndGet();
                    return Delivery.failed("down");
                  }
                  return Delivery.delivered();
                });
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withConcurrency(2)
            .withRetries(10, RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20)))
            .withPermit(counting(Permits.byBreaker(breaker), asked)));
    RelayFixture.await(() -> breaker.getState() == CircuitBreaker.State.OPEN);
    awaitAsked(asked);
    assertThat(failed.get()).as("four, and what was under way").isBetween(4, 6);
    down.set(false);
    breaker.transitionToClosedState();
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.count()).isEqualTo(100);
  }

  @Test
  void bulkhead_boundsWhatIsUnderWay() {
    Bulkhead bulkhead = Bulkhead.of("test", BulkheadConfig.custom().maxConcurrentCalls(3).build());
    fixture.appendMany(60, 60);
    Semaphore ends = new Semaphore(0);
    AtomicInteger running = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Collected collected =
        new Collected(1)
            .answering(
                message -> {
                  most.accumulateAndGet(running.incrementAndGet(), Math::max);
                  ends.acquire();
                  running.decrementAndGet();
                  return Delivery.delivered();
                });
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withConcurrency(8)
            .withPermit(Permits.byBulkhead(bulkhead)));
    RelayFixture.await(() -> running.get() == 3);
    ends.release(60);
    RelayFixture.await(fixture::isEmpty);
    assertThat(most).hasValue(3);
    RelayFixture.await(() -> bulkhead.getMetrics().getAvailableConcurrentCalls() == 3);
  }

  @Test
  void rateLimiter_boundsWhatBegins() {
    RateLimiter limiter =
        RateLimiter.of(
            "test",
            RateLimiterConfig.custom()
                .limitForPeriod(5)
                .limitRefreshPeriod(Duration.ofDays(1))
                .timeoutDuration(Duration.ZERO)
                .build());
    fixture.appendMany(12, 3);
    AtomicInteger asked = new AtomicInteger();
    Collected collected = new Collected(4);
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withPermit(counting(Permits.byLimiter(limiter), asked)));
    RelayFixture.await(() -> fixture.messages() == 7);
    awaitAsked(asked);
    assertThat(collected.count()).isEqualTo(5);
    assertThat(fixture.heldKeys()).isZero();
    collected.assertOrdered();
  }
}
