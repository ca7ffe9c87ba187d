package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.jobqueue.events.JobEvent;
import dev.pgbelay.jobqueue.health.QueueMonitor;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a worker tells those who watch it: a listener, and the monitor by way of the database. */
class WorkerEventsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 1);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final List<JobEvent> events = new CopyOnWriteArrayList<>();

  private JobWorkerBuilder worker(JobHandler<String> handler) {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 2)
        .lease(Duration.ofSeconds(30))
        .pollInterval(Duration.ofMillis(20))
        .handle(
            QueueFixture.MAIL,
            RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(20)),
            handler);
  }

  private JobWorker start(JobWorkerBuilder builder) {
    return workers.start(builder);
  }

  private List<JobEvent.Type> types(long job) {
    return events.stream().filter(event -> event.jobId() == job).map(JobEvent::type).toList();
  }

  @Test
  void listener_isToldWhatBecomesOfEachJob() {
    long done = fixture.enqueue(fixture.mail("done"));
    long completed = fixture.enqueue(fixture.mail("completed"));
    long failing = fixture.enqueue(fixture.mail("failing").withMaxAttempts(2));
    long gone = fixture.enqueue(fixture.mail("gone"));
    long early = fixture.enqueue(fixture.mail("early"));
    List<Long> snoozed = new CopyOnWriteArrayList<>();
    start(
        worker(
                (context, payload) -> {
                  switch (payload) {
                    case "completed" -> fixture.transactions.execute(context::complete);
                    case "failing" -> throw new IllegalStateException("down");
                    case "gone" -> {
                      return JobOutcome.discard("account closed");
                    }
                    case "early" -> {
                      if (snoozed.isEmpty()) {
                        snoozed.add(context.jobId());
                        return JobOutcome.snooze(Duration.ofMillis(10));
                      }
                    }
                    default -> {
                      // done
                    }
                  }
                  return JobOutcome.done();
                })
            .listener(events::add));
    QueueFixture.await(
        () -> fixture.finished("done") == 3 && fixture.dead() == 1 && types(early).size() == 4);
    QueueFixture.await(() -> types(failing).size() == 4 && types(gone).size() == 2);
    QueueFixture.await(() -> types(done).size() == 2 && types(completed).size() == 2);
    assertThat(types(done)).containsExactly(JobEvent.Type.STARTED, JobEvent.Type.DONE);
    assertThat(types(completed)).containsExactly(JobEvent.Type.STARTED, JobEvent.Type.DONE);
    assertThat(types(failing))
        .containsExactly(
            JobEvent.Type.STARTED,
            JobEvent.Type.RETRIED,
            JobEvent.Type.STARTED,
            JobEvent.Type.DEAD);
    assertThat(types(gone)).containsExactly(JobEvent.Type.STARTED, JobEvent.Type.DISCARDED);
    assertThat(types(early))
        .containsExactly(
            JobEvent.Type.STARTED,
            JobEvent.Type.SNOOZED,
            JobEvent.Type.STARTED,
            JobEvent.Type.DONE);
    JobEvent dead =
        events.stream()
            .filter(event -> event.type() == JobEvent.Type.DEAD)
            .findFirst()
            .orElseThrow();
    assertThat(dead.kind()).isEqualTo("mail");
    assertThat(dead.queue()).isEqualTo(fixture.queue);
    assertThat(dead.attempt()).isEqualTo(2);
    assertThat(dead.reason()).contains("java.lang.IllegalStateException: down");
  }

  @Test
  void listenerThatThrows_harmsNothing() {
    fixture.enqueue(500);
    start(
        worker((context, payload) -> JobOutcome.done())
            .listener(
                event -> {
                  throw new AssertionError("a listener's own trouble");
                })
            .listener(events::add));
    QueueFixture.await(() -> fixture.finished("done") == 500);
    QueueFixture.await(() -> events.size() == 1_000);
  }

  @Test
  void refusedWrite_isTold() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    start(
        worker(
                (context, payload) -> {
                  running.countDown();
                  release.await();
                  return JobOutcome.done();
                })
            .listener(events::add));
    running.await();
    fixture.dsl.execute("delete from pgbelay.job where id = ?", id);
    release.countDown();
    QueueFixture.await(() -> types(id).contains(JobEvent.Type.REFUSED));
    assertThat(types(id)).containsExactly(JobEvent.Type.STARTED, JobEvent.Type.REFUSED);
  }

  /** The worker writes when it did something; without it a monitor would call a busy queue dead. */
  @Test
  void activity_isWrittenForTheMonitor() throws Exception {
    JobKind<String> kind = JobKind.text("kind-of-" + fixture.queue);
    fixture.enqueue(kind.job("done").withQueue(fixture.queue));
    fixture.enqueue(fixture.mail("failing").withMaxAttempts(1));
    JobWorker worker =
        start(
            worker(
                    (context, payload) -> {
                      throw new IllegalStateException("no");
                    })
                .handle(kind, (context, payload) -> JobOutcome.done()));
    QueueFixture.await(() -> fixture.finished("done") == 1 && fixture.dead() == 1);
    worker.stop(Duration.ofSeconds(30));
    assertThat(
            fixture
                .dsl
                .fetch(
                    "select concat_ws(' ', kind, claimed_at is not null, finished_at is not null,"
                        + " succeeded_at is not null, failed_at is not null)"
                        + " from pgbelay.job_activity where queue = ? order by kind",
                    fixture.queue)
                .map(row -> String.valueOf(row.get(0))))
        .containsExactlyInAnyOrder(" t f f f", kind.name() + " f t t f", "mail f f f t");
    QueueMonitor monitor =
        QueueMonitor.builder(fixture.transactions).expect(kind, Duration.ofDays(1)).build();
    var seen = monitor.look();
    var figures = Objects.requireNonNull(seen.queues().get(fixture.queue));
    assertThat(figures.sinceClaim()).isPresent();
    assertThat(figures.sinceFinished()).isPresent();
    assertThat(seen.sinceSuccess().get(kind.name())).isLessThan(Duration.ofHours(1));
  }

  /** The red light of the issue: jobs are due and none is finished, though a worker is alive. */
  @Test
  void queueWhoseHandlersHang_isDownAndUpAgainWhenTheyEnd() throws Exception {
    CountDownLatch release = new CountDownLatch(1);
    JobWorker worker =
        start(
            worker(
                (context, payload) -> {
                  release.await();
                  return JobOutcome.done();
                }));
    fixture.enqueue(50);
    QueueFixture.await(() -> fixture.jobs("running") > 0);
    fixture.dsl.execute(
        "update pgbelay.job set place = place - 600000000 where queue = ?", fixture.queue);
    QueueMonitor monitor =
        QueueMonitor.builder(fixture.transactions).standstill(Duration.ofMinutes(5)).build();
    monitor.look();
    assertThat(monitor.health().status()).isEqualTo(Health.Status.DOWN);
    assertThat(monitor.health().reasons().get(0).text())
        .contains("queue '" + fixture.queue + "'", "none was ever finished");
    release.countDown();
    QueueFixture.await(() -> fixture.finished("done") == 50);
    worker.stop(Duration.ofSeconds(30));
    monitor.look();
    assertThat(monitor.health().reasons())
        .noneMatch(reason -> reason.text().contains("queue '" + fixture.queue + "'"));
  }

  @Test
  void activityOfSeveralProcesses_isTheLatestOfAll() throws Exception {
    Activity first =
        new Activity(
            "a1", new MissingTables("a1", "pgbelay"), fixture.transactions, "pgbelay", null);
    Activity second =
        new Activity(
            "a2", new MissingTables("a2", "pgbelay"), fixture.transactions, "pgbelay", null);
    first.settled(fixture.queue, "k", Settlement.Fate.DONE, 1);
    long settledAt = System.nanoTime();
    QueueFixture.await(() -> System.nanoTime() - settledAt > 300_000_000L);
    second.settled(fixture.queue, "k", Settlement.Fate.DISCARDED, 1);
    second.close();
    String ofSecond = finishedAt();
    first.close(); // older, and written later
    assertThat(
            fixture.dsl.fetchValue(
                "select finished_at >= ?::timestamptz and succeeded_at is not null"
                    + " from pgbelay.job_activity where queue = ?",
                ofSecond,
                fixture.queue))
        .isEqualTo(true);
  }

  private String finishedAt() {
    return String.valueOf(
        fixture.dsl.fetchValue(
            "select finished_at::text from pgbelay.job_activity where queue = ?", fixture.queue));
  }
}
