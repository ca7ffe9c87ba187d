package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.core.permit.Permits;
import dev.pgbelay.testing.PostgresExtension;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.ratelimiter.RateLimiter;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Kinds whose permit refuses are not claimed, and lose no attempts. */
class ClaimPermitPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final JobKind<String> bound = JobKind.text("bound-" + fixture.queue);
  private final JobKind<String> free = JobKind.text("free-" + fixture.queue);
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicInteger runs = new AtomicInteger();

  /** Permits of a handler to end. */
  private final Semaphore ends = new Semaphore(0);

  @AfterEach
  void stop() {
    ends.release(100_000);
    workers.stop(Duration.ofSeconds(10));
  }

  private JobWorker start(ClaimPermit permit, JobHandler<String> handler) {
    return workers.start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 6)
            .pollInterval(Duration.ofMillis(20))
            .handle(bound, handler)
            .permit(bound, permit)
            .handle(free, (context, payload) -> JobOutcome.done()));
  }

  private JobOutcome untilItMayEnd(JobContext context, String payload) throws Exception {
    runs.incrementAndGet();
    running.incrementAndGet();
    try {
      ends.acquire();
    } finally {
      running.decrementAndGet();
    }
    return JobOutcome.done();
  }

  private void enqueue(int count) {
    for (int i = 0; i < count; i++) {
      fixture.enqueue(bound.job("x").withQueue(fixture.queue).withMaxAttempts(1));
    }
  }

  private int done(JobKind<?> kind) {
    return fixture.count(
        "select count(*) from pgbelay.job_finished where kind = ? and outcome = 'done'",
        kind.name());
  }

  /** The worker has looked at its queue several times meanwhile. */
  private void awaitLooks() {
    int before = done(free);
    for (int i = 1; i <= 10; i++) {
      fixture.enqueue(free.job("x").withQueue(fixture.queue));
      int count = before + i;
      QueueFixture.await(() -> done(free) == count);
    }
  }

  private void assertNothingBurned() {
    assertThat(
            fixture.count(
                "select coalesce(max(attempt), 0) from pgbelay.job"
                    + " where queue = ? and state = 'ready'",
                fixture.queue))
        .isZero();
    assertThat(fixture.dead()).isZero();
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

  @Test
  void openBreaker_letsNothingBeClaimedAndHalfOpenTheProbesOnly() {
    CircuitBreaker breaker = breaker();
    breaker.transitionToOpenState();
    enqueue(20);
    start(Permits.byBreaker(breaker), this::untilItMayEnd);
    awaitLooks();
    assertThat(runs).hasValue(0);
    assertNothingBurned();
    breaker.transitionToHalfOpenState();
    QueueFixture.await(() -> running.get() == 2);
    awaitLooks();
    assertThat(runs).as("the probes").hasValue(2);
    assertNothingBurned();
    ends.release(2);
    QueueFixture.await(() -> breaker.getState() == CircuitBreaker.State.CLOSED);
    ends.release(18);
    QueueFixture.await(() -> done(bound) == 20);
    assertThat(runs).hasValue(20);
  }

  /** Nobody else calls the breaker: the look of the worker itself must end its wait. */
  @Test
  void breakerWhoseWaitIsOver_isTriedByTheWorker() {
    CircuitBreaker breaker =
        CircuitBreaker.of(
            "test",
            CircuitBreakerConfig.from(breaker().getCircuitBreakerConfig())
                .waitIntervalFunctionInOpenState(n -> 100L)
                .build());
    breaker.transitionToOpenState();
    enqueue(5);
    ends.release(5);
    start(Permits.byBreaker(breaker), this::untilItMayEnd);
    QueueFixture.await(() -> done(bound) == 5);
    assertThat(breaker.getState()).isEqualTo(CircuitBreaker.State.CLOSED);
    assertThat(runs).hasValue(5);
  }

  @Test
  void failures_openTheBreakerAndSpareTheRest() {
    CircuitBreaker breaker = breaker();
    enqueue(100);
    start(
        Permits.byBreaker(breaker),
        (context, payload) -> {
          runs.incrementAndGet();
          throw new IllegalStateException("the other side is down");
        });
    QueueFixture.await(() -> breaker.getState() == CircuitBreaker.State.OPEN);
    awaitLooks();
    assertThat(runs.get()).as("four, and what was under way").isBetween(4, 10);
    QueueFixture.await(() -> fixture.dead() == runs.get());
    QueueFixture.await(() -> fixture.jobs("ready") == 100 - runs.get());
    assertThat(fixture.count("select max(attempt) from pgbelay.job where queue = ?", fixture.queue))
        .isZero();
  }

  /** What waits for a thread when the breaker opens is not begun, whatever was claimed. */
  @Test
  void breakerThatOpens_sendsBackWhatWasFetchedAhead() {
    CircuitBreaker breaker = breaker();
    ends.release(400);
    AtomicInteger fetchedAhead = new AtomicInteger();
    ClaimPermit ofBreaker = Permits.byBreaker(breaker);
    ClaimPermit counting =
        new ClaimPermit() {
          @Override
          public int reserve(int wanted) {
            return ofBreaker.reserve(wanted);
          }

          @Override
          public int reserveAhead(int wanted) {
            int places = ofBreaker.reserveAhead(wanted);
            fetchedAhead.addAndGet(places);
            return places;
          }

          @Override
          public void release(int unused) {
            ofBreaker.release(unused);
          }

          @Override
          public boolean begin() {
            return ofBreaker.begin();
          }

          @Override
          public void end(Duration took, Optional<Throwable> failure) {
            ofBreaker.end(took, failure);
          }
        };
    enqueue(600);
    start(counting, this::untilItMayEnd);
    QueueFixture.await(() -> runs.get() >= 400 && running.get() == 6);
    breaker.transitionToOpenState();
    int begun = runs.get();
    ends.release(6);
    QueueFixture.await(() -> running.get() == 0 && fixture.jobs("running") == 0);
    assertThat(runs.get()).as("no more than were at its door").isBetween(begun, begun + 6);
    assertThat(fetchedAhead.get()).isPositive();
    QueueFixture.await(() -> fixture.jobs("ready") == 600 - runs.get());
    assertNothingBurned();
  }

  @Test
  void bulkhead_boundsWhatRunsAndGetsAllItsPlacesBack() {
    Bulkhead bulkhead = Bulkhead.of("test", BulkheadConfig.custom().maxConcurrentCalls(3).build());
    enqueue(9);
    start(Permits.byBulkhead(bulkhead), this::untilItMayEnd);
    QueueFixture.await(() -> running.get() == 3);
    awaitLooks();
    assertThat(runs).hasValue(3);
    assertThat(fixture.jobs("ready")).isEqualTo(6);
    assertNothingBurned();
    ends.release(9);
    QueueFixture.await(() -> done(bound) == 9);
    QueueFixture.await(() -> bulkhead.getMetrics().getAvailableConcurrentCalls() == 3);
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
    enqueue(12);
    ends.release(100);
    start(Permits.byLimiter(limiter), this::untilItMayEnd);
    QueueFixture.await(() -> done(bound) == 5);
    awaitLooks();
    assertThat(runs).hasValue(5);
    assertThat(fixture.jobs("ready")).isEqualTo(7);
    assertNothingBurned();
    limiter.changeLimitForPeriod(100);
    assertThat(runs).hasValue(5);
  }

  /** Every place that was reserved is released or begun, every one that was begun ends. */
  @Test
  void placesThatWereReserved_areAllAccountedFor() {
    AtomicInteger reserved = new AtomicInteger();
    AtomicInteger released = new AtomicInteger();
    AtomicInteger begun = new AtomicInteger();
    AtomicInteger ended = new AtomicInteger();
    AtomicInteger refused = new AtomicInteger();
    ClaimPermit counting =
        new ClaimPermit() {
          @Override
          public int reserve(int wanted) {
            reserved.addAndGet(wanted);
            return wanted;
          }

          @Override
          public void release(int unused) {
            released.addAndGet(unused);
          }

          @Override
          public boolean begin() {
            if (begun.get() % 10 == 9 && refused.incrementAndGet() % 2 == 1) {
              return false;
            }
            begun.incrementAndGet();
            return true;
          }

          @Override
          public void end(Duration took, Optional<Throwable> failure) {
            ended.incrementAndGet();
          }
        };
    enqueue(200);
    fixture.dsl.execute("update pgbelay.job set max_attempts = 5 where queue = ?", fixture.queue);
    JobWorker worker =
        start(
            counting,
            (context, payload) -> {
              if (context.jobId() % 5 == 0 && context.attempt() == 1) {
                throw new IllegalStateException("once");
              }
              return JobOutcome.done();
            });
    QueueFixture.await(() -> fixture.jobs("scheduled") + done(bound) == 200);
    fixture.dsl.execute(
        "update pgbelay.job set run_at = now() where queue = ? and state = 'scheduled'",
        fixture.queue);
    QueueFixture.await(() -> done(bound) == 200);
    assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    assertThat(begun.get()).isEqualTo(ended.get());
    int gaveBackAtBegin = reserved.get() - released.get() - begun.get();
    assertThat(gaveBackAtBegin).as("refused at the beginning").isEqualTo(refusals(refused));
  }

  private static int refusals(AtomicInteger refused) {
    return (refused.get() + 1) / 2;
  }
}
