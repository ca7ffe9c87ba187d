package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Several workers that report to one registry, at once and one after the other. */
class WorkerMetersPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private static final JobKind<String> OTHER = JobKind.text("other");

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final CountDownLatch release = new CountDownLatch(1);

  private JobWorker start(String name, JobKind<String> kind) {
    return workers.start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(name)
            .queue(fixture.queue, 1)
            .pollInterval(Duration.ofMillis(20))
            .handle(
                kind,
                (context, payload) -> {
                  release.await();
                  return JobOutcome.done();
                })
            .meterRegistry(meters));
  }

  private @Nullable Gauge running(String worker) {
    return meters
        .find("pgbelay.jobqueue.running")
        .tag("queue", fixture.queue)
        .tag("worker", worker)
        .gauge();
  }

  private double count(String worker) {
    Gauge gauge = running(worker);
    return gauge == null ? -1 : gauge.value();
  }

  @Test
  void workersOfOneQueue_haveGaugesOfTheirOwnUntilTheyEnd() {
    JobWorker one = start("one", QueueFixture.MAIL);
    fixture.enqueue(1);
    QueueFixture.await(() -> count("one") == 1);
    start("two", OTHER); // a kind of its own, which the first cannot fetch ahead
    fixture.enqueue(OTHER.job("x").withQueue(fixture.queue));
    QueueFixture.await(() -> count("two") == 1);
    release.countDown();
    QueueFixture.await(() -> fixture.finished("done") == 2);
    one.stop(Duration.ofMinutes(1));
    assertThat(running("one")).isNull();
    QueueFixture.await(() -> count("two") == 0);
    start("one", QueueFixture.MAIL);
    QueueFixture.await(() -> count("one") == 0);
  }
}
