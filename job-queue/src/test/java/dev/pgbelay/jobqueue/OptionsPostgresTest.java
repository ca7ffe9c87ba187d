package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.cron.CronTimes;
import dev.pgbelay.jobqueue.cron.Schedule;
import dev.pgbelay.jobqueue.cron.ScheduleRunner;
import dev.pgbelay.jobqueue.cron.Schedules;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.jobqueue.health.QueueMonitor;
import dev.pgbelay.jobqueue.health.QueueSnapshot;
import dev.pgbelay.jobqueue.inspect.JobFilter;
import dev.pgbelay.jobqueue.inspect.JobInfo;
import dev.pgbelay.jobqueue.inspect.JobState;
import dev.pgbelay.jobqueue.inspect.Jobs;
import dev.pgbelay.jobqueue.testing.EnqueuedJobs;
import dev.pgbelay.jobqueue.testing.ManualWorker;
import dev.pgbelay.testing.PostgresExtension;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Options that no other test is about. */
class OptionsPostgresTest {
  private static final String OTHER = "jobs_two";

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers running = new RunningWorkers(postgres, 4);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private JobWorkerBuilder worker() {
    return JobWorker.builder(fixture.transactions, running.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 4)
        .pollInterval(Duration.ofMillis(20));
  }

  /** The tables of the usual schema would be missing if any statement named them. */
  @Test
  void everything_worksInAnotherSchema() throws Exception {
    SchemaInstaller.builder(postgres.dataSource())
        .modules("jobqueue")
        .schema(OTHER)
        .build()
        .install();
    fixture.dsl.execute("alter schema pgbelay rename to elsewhere");
    try {
      worksIn(OTHER);
    } finally {
      running.stop(Duration.ZERO);
      fixture.dsl.execute("alter schema elsewhere rename to pgbelay");
      fixture.dsl.execute("drop schema " + OTHER + " cascade");
    }
  }

  private void worksIn(String schema) throws Exception {
    JobQueue jobs = JobQueue.builder().schema(schema).build();
    QueueControl control = QueueControl.inSchema(schema);
    Jobs looking = Jobs.inSchema(schema);
    DeadLetters letters = DeadLetters.inSchema(schema);
    fixture.transactions.execute(
        tx -> {
          control.limitQueue(tx, fixture.queue, Limits.none().withRunning(2).withPerKey(2));
          for (String payload : new String[] {"done", "done", "done", "report", "dead"}) {
            jobs.offer(
                tx,
                fixture
                    .mail(payload)
                    .withPartitionKey("key")
                    .withUniqueKey(payload, NewJob.UniqueScope.whileUnfinished()));
          }
          jobs.enqueue(tx, fixture.mail("done").withDelay(Duration.ofMillis(50)));
        });
    EnqueuedJobs.in(fixture.dsl, schema).assertCount(QueueFixture.MAIL, 4);
    JobWorkerBuilder builder =
        worker()
            .schema(schema)
            .wokenBy(jobs)
            .handle(
                QueueFixture.MAIL,
                RetryPolicy.defaults().withNoRetryAfter(IllegalStateException.class),
                (context, payload) -> {
                  if (payload.equals("dead")) {
                    throw new IllegalStateException("down");
                  }
                  if (payload.equals("report")) {
                    fixture.transactions.execute(
                        tx -> {
                          context.progress(tx, 50, "half");
                          context.complete(tx);
                        });
                  }
                  return JobOutcome.done();
                });
    running.start(builder);
    QueueFixture.await(
        () ->
            looking.listFinished(fixture.dsl, JobFilter.all().in(JobState.DONE), 10).jobs().size()
                    == 3
                && letters.listAll(fixture.dsl, 10).jobs().size() == 1);
    assertThat(looking.list(fixture.dsl, JobFilter.all(), 10).jobs()).isEmpty();
    long handedOver =
        fixture.transactions.run(
            tx -> {
              control.limitQueue(tx, fixture.queue, Limits.none());
              return jobs.enqueue(tx, fixture.mail("done"));
            });
    QueueFixture.await(
        () ->
            looking
                .find(fixture.dsl, handedOver)
                .map(JobInfo::state)
                .equals(java.util.Optional.of(JobState.DONE)));
    running.stop(Duration.ofSeconds(30));
    QueueMonitor monitor =
        QueueMonitor.builder(fixture.transactions)
            .schema(schema)
            .expect(QueueFixture.MAIL, Duration.ofDays(1))
            .build();
    assertThat(monitor.look().deadLetters()).isEqualTo(1);
    assertThat(monitor.look().queues()).containsKey(fixture.queue);
    Schedules schedules = Schedules.inSchema(schema);
    fixture.transactions.execute(
        tx ->
            schedules.put(
                tx,
                Schedule.of(
                    fixture.queue,
                    CronTimes.of("0 0 1 1 *", ZoneOffset.UTC),
                    fixture.mail("yearly"))));
    fixture.dsl.execute(
        "update "
            + OTHER
            + ".job_schedule set next_fire = next_fire - interval '9000 hours',"
            + " look_at = look_at - interval '9000 hours'");
    assertThat(ScheduleRunner.builder(fixture.transactions, jobs).build().runDue()).isEqualTo(1);
    long letter = letters.listAll(fixture.dsl, 10).jobs().get(0).id();
    fixture.transactions.execute(
        tx -> {
          letters.redrive(tx, letter);
          assertThat(jobs.cancel(tx, letter, "test")).isEqualTo(JobQueue.Change.DONE);
        });
    try (ManualWorker manual = ManualWorker.of(builder.name(QueueFixture.freshName()))) {
      manual.drain().assertDone(1);
    }
  }

  @Test
  void wokenByAJobQueueOfAnotherSchema_isRefused() {
    JobWorkerBuilder builder =
        worker()
            .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done())
            .wokenBy(JobQueue.builder().schema(OTHER).build());
    assertThatThrownBy(builder::build)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("'pgbelay'")
        .hasMessageContaining("'" + OTHER + "'");
    builder.schema(OTHER).build();
  }

  /** That they declare no checked exception is seen by the compiler. */
  @Test
  void lookAndRunDueWithoutTables_throwWhatTheDatabaseSaid() {
    QueueMonitor monitor = QueueMonitor.builder(fixture.transactions).schema(OTHER).build();
    JobQueue jobs = JobQueue.builder().schema(OTHER).build();
    ScheduleRunner runner = ScheduleRunner.builder(fixture.transactions, jobs).build();
    Supplier<QueueSnapshot> look = monitor::look;
    IntSupplier runDue = runner::runDue;
    assertThatThrownBy(look::get)
        .isInstanceOf(RuntimeException.class)
        .satisfies(e -> assertThat(Failures.sqlState(e)).contains("42P01"));
    assertThatThrownBy(runDue::getAsInt)
        .isInstanceOf(RuntimeException.class)
        .satisfies(e -> assertThat(Failures.sqlState(e)).contains("42P01"));
  }

  @Test
  void pauseAfterAnException_isThatOfTheRule() {
    Map<String, Long> ids = new ConcurrentHashMap<>();
    for (String payload : new String[] {"missing", "io", "other"}) {
      ids.put(payload, fixture.enqueue(fixture.mail(payload)));
    }
    running.start(
        worker()
            .handle(
                QueueFixture.MAIL,
                RetryPolicy.exponential(Duration.ofDays(10), Duration.ofDays(10))
                    .withPauseAfter(FileNotFoundException.class, Duration.ofHours(3))
                    .withPauseAfter(IOException.class, Duration.ZERO),
                (context, payload) -> {
                  if (payload.equals("missing")) {
                    throw new FileNotFoundException();
                  }
                  if (payload.equals("io") && context.attempt() < 4) {
                    throw new IOException();
                  }
                  if (payload.equals("other")) {
                    throw new IllegalStateException();
                  }
                  return JobOutcome.done();
                }));
    QueueFixture.await(() -> fixture.jobs("scheduled") == 2 && fixture.finished("done") == 1);
    Jobs jobs = Jobs.create();
    assertThat(hoursUntil(ids, "missing")).isBetween(2, 3);
    assertThat(hoursUntil(ids, "other")).isBetween(7 * 24, 13 * 24);
    assertThat(jobs.find(fixture.dsl, id(ids, "io")).orElseThrow().attempt()).isEqualTo(4);
  }

  private static long id(Map<String, Long> ids, String payload) {
    return java.util.Objects.requireNonNull(ids.get(payload));
  }

  private int hoursUntil(Map<String, Long> ids, String payload) {
    return fixture.count(
        "select floor(extract(epoch from run_at - clock_timestamp()) / 3600)::int"
            + " from pgbelay.job where id = ?",
        id(ids, payload));
  }

  @Test
  void closeDeadline_isWhatHandlersGetBeforeTheyAreInterrupted() throws Exception {
    fixture.enqueue(1);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch interrupted = new CountDownLatch(1);
    try (JobWorker worker =
        worker()
            .closeDeadline(Duration.ZERO)
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  begun.countDown();
                  try {
                    new CountDownLatch(1).await();
                  } catch (InterruptedException e) {
                    interrupted.countDown();
                    throw e;
                  }
                  return JobOutcome.done();
                })
            .build()) {
      worker.start();
      begun.await();
    }
    interrupted.await();
    assertThat(fixture.finished("done")).isZero();
    assertThat(fixture.jobs("ready") + fixture.jobs("running")).isEqualTo(1);
  }

  @Test
  void node_standsInTheRecordOfFailures() {
    long id = fixture.enqueue(fixture.mail("x").withMaxAttempts(1));
    running.start(
        worker()
            .node("node-of-" + fixture.queue)
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  throw new IllegalStateException("down");
                }));
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(Jobs.create().find(fixture.dsl, id).orElseThrow().failures().get(0).node())
        .isEqualTo("node-of-" + fixture.queue);
    assertThatThrownBy(() -> worker().node("a\tb"))
        .hasMessageContaining("node is")
        .hasMessageContaining("control character");
  }

  @Test
  void lostContext_saysSo() throws Exception {
    fixture.enqueue(1);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch lost = new CountDownLatch(1);
    AtomicReference<Boolean> before = new AtomicReference<>();
    running.start(
        worker()
            .node(fixture.queue)
            .lease(Duration.ofSeconds(2))
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  before.compareAndSet(null, context.isLost());
                  begun.countDown();
                  while (!context.isLost() && lost.getCount() > 0) {
                    Thread.sleep(5);
                  }
                  lost.countDown();
                  return JobOutcome.done();
                }));
    begun.await();
    fixture.dsl.execute(
        "update pgbelay.job_worker set fenced_at = clock_timestamp() where node = ?",
        fixture.queue);
    lost.await();
    assertThat(before).hasValue(false);
    QueueFixture.await(() -> fixture.finished("done") == 1);
  }

  @Test
  void bytes_arriveAsTheyWere() {
    JobKind<byte[]> kind = JobKind.bytes("blob");
    byte[] payload = new byte[1_000];
    for (int i = 0; i < payload.length; i++) {
      payload[i] = (byte) i;
    }
    fixture.enqueue(kind.job(payload).withQueue(fixture.queue));
    AtomicReference<byte[]> seen = new AtomicReference<>();
    running.start(
        worker()
            .handle(
                kind,
                (context, bytes) -> {
                  seen.set(bytes);
                  return JobOutcome.done();
                }));
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(seen.get()).isEqualTo(payload);
  }
}
