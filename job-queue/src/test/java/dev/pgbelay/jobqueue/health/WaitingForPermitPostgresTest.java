package dev.pgbelay.jobqueue.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.core.permit.Permits;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.ratelimiter.RateLimiter;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Jobs that no process may begin because of what it depends on. */
class WaitingForPermitPostgresTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private static final JobKind<String> CALL = JobKind.text("call");
  private static final JobKind<String> OTHER = JobKind.text("other");
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final JobQueue jobs = JobQueue.create();
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final QueueMonitor monitor =
      QueueMonitor.builder(transactions).meterRegistry(meters).build();

  static Stream<Arguments> refusing() {
    CircuitBreaker breaker = CircuitBreaker.ofDefaults("open");
    breaker.transitionToForcedOpenState();
    Bulkhead bulkhead = Bulkhead.of("full", BulkheadConfig.custom().maxConcurrentCalls(1).build());
    bulkhead.acquirePermission();
    RateLimiter limiter =
        RateLimiter.of(
            "used up",
            RateLimiterConfig.custom()
                .limitForPeriod(1)
                .limitRefreshPeriod(Duration.ofDays(1))
                .timeoutDuration(Duration.ZERO)
                .build());
    limiter.acquirePermission();
    return Stream.of(
        Arguments.of("a breaker that is open", Permits.byBreaker(breaker)),
        Arguments.of("a bulkhead that is full", Permits.byBulkhead(bulkhead)),
        Arguments.of("a limiter that is used up", Permits.byLimiter(limiter)));
  }

  private JobWorkerBuilder worker(String name) {
    return builder(name).handle(CALL, (context, payload) -> JobOutcome.done());
  }

  private JobWorkerBuilder builder(String name) {
    return JobWorker.builder(transactions, postgres.dataSource())
        .name(name)
        .lease(Duration.ofSeconds(15))
        .pollInterval(Duration.ofMillis(50));
  }

  private void enqueue() {
    transactions.execute(
        tx -> {
          for (int i = 0; i < 3; i++) {
            jobs.enqueue(tx, CALL.job("x"));
            jobs.enqueue(tx, OTHER.job("x"));
          }
        });
  }

  @BeforeEach
  void empty() {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("truncate pgbelay.job, pgbelay.job_worker, pgbelay.job_control");
  }

  private int waiting() {
    return figures().waiting().forPermit();
  }

  private QueueFigures figures() {
    return Objects.requireNonNull(monitor.look().queues().get("default"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refusing")
  void jobsOfAKindThatAPermitRefuses_areCountedUntilSomebodyMayRunThem(
      String what, ClaimPermit permit) {
    enqueue();
    assertThat(waiting()).as("nobody has said anything").isZero();
    try (JobWorker refusing = worker("refusing").permit(CALL, permit).build()) {
      refusing.start();
      Awaitility.await(what).atMost(PATIENCE).until(() -> waiting() == 3);
      assertThat(figures().due()).as("they are due all the same").isEqualTo(6);
      assertThat(
              meters
                  .get("pgbelay.jobqueue.waiting")
                  .tag("queue", "default")
                  .tag("reason", "permit")
                  .gauge()
                  .value())
          .isEqualTo(3);

      try (JobWorker elsewhere =
          worker("elsewhere").queue("elsewhere", 2).permit(CALL, permit).build()) {
        elsewhere.start();
        Awaitility.await("its row").atMost(PATIENCE).until(() -> monitor.look().workers() == 2);
        assertThat(waiting()).as("it does not run that queue").isEqualTo(3);
        assertThat(figures().workers()).isEqualTo(1);
        assertThat(
                meters
                    .get("pgbelay.jobqueue.queue.workers")
                    .tag("queue", "default")
                    .gauge()
                    .value())
            .isEqualTo(1);
      }
      CountDownLatch goOn = new CountDownLatch(1);
      try (JobWorker free =
          builder("free")
              .queue("default", 1)
              .handle(
                  CALL,
                  (context, payload) -> {
                    goOn.await();
                    return JobOutcome.done();
                  })
              .build()) {
        free.start();
        Awaitility.await("one runs elsewhere, and the others wait for a thread only")
            .atMost(PATIENCE)
            .until(() -> figures().running() > 0 && waiting() == 0);
        QueueFigures all = figures();
        assertThat(all.due() + all.running()).as("some may be fetched ahead").isEqualTo(6);
        goOn.countDown();
        Awaitility.await("done").atMost(PATIENCE).until(() -> figures().due() == 3);
      } finally {
        goOn.countDown();
      }
    }
  }

  @Test
  void breakerThatCloses_isHeardOf() {
    CircuitBreaker breaker = CircuitBreaker.ofDefaults("closing");
    breaker.transitionToForcedOpenState();
    enqueue();
    try (JobWorker worker = worker("one").permit(CALL, Permits.byBreaker(breaker)).build()) {
      worker.start();
      Awaitility.await("refused").atMost(PATIENCE).until(() -> waiting() == 3);
      breaker.transitionToClosedState();
      Awaitility.await("done").atMost(PATIENCE).until(() -> figures().due() == 3);
      enqueue();
      Awaitility.await("done").atMost(PATIENCE).until(() -> figures().due() == 6);
      Awaitility.await("heard of").atMost(PATIENCE).until(() -> waiting() == 0);
    }
  }

  @Test
  void pausedKindWhosePermitRefuses_isCountedOnce() {
    CircuitBreaker breaker = CircuitBreaker.ofDefaults("open");
    breaker.transitionToForcedOpenState();
    enqueue();
    try (JobWorker worker = worker("one").permit(CALL, Permits.byBreaker(breaker)).build()) {
      worker.start();
      Awaitility.await("refused").atMost(PATIENCE).until(() -> waiting() == 3);
      transactions.execute(tx -> QueueControl.create().pauseKind(tx, CALL, "by a test"));
      Waiting both = figures().waiting();
      assertThat(both.forPause()).isEqualTo(3);
      assertThat(both.forPermit()).isZero();
    }
  }
}
