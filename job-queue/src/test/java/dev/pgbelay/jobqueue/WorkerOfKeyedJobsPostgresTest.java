package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TransactionAbortedException;
import dev.pgbelay.jobqueue.JobQueue.Change;
import dev.pgbelay.jobqueue.JobQueue.Report;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.jobqueue.testing.ManualWorker;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Partition keys, deadlines, cancelling and reports, as handlers and enqueuers see them. */
class WorkerOfKeyedJobsPostgresTest {
  private static final String NO_FENCE =
      "AND CAST(? AS uuid) IS NOT NULL AND CAST(? AS bigint) IS NOT NULL";

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private void start(JobHandler<String> handler) {
    workers.start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 4)
            .pollInterval(Duration.ofMillis(20))
            .handle(
                QueueFixture.MAIL,
                RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(20)),
                handler));
  }

  @Test
  void jobsOfAKey_runInOrderInSeveralWorkersWhateverBecomesOfThem() {
    Map<String, List<String>> order = new ConcurrentHashMap<>();
    Map<String, AtomicInteger> running = new ConcurrentHashMap<>();
    AtomicInteger tooMany = new AtomicInteger();
    List<NewJob<String>> jobs = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      jobs.add(
          fixture.mail("k" + i % 20 + " " + i).withPartitionKey("k" + i % 20).withMaxAttempts(3));
    }
    for (int part = 0; part < 400; part += 40) {
      List<NewJob<String>> some = jobs.subList(part, part + 40);
      fixture.transactions.execute(tx -> fixture.jobs.enqueueAll(tx, some));
    }
    JobHandler<String> handler =
        (context, payload) -> {
          String key = payload.substring(0, payload.indexOf(' '));
          int number = Integer.parseInt(payload.substring(payload.indexOf(' ') + 1));
          AtomicInteger now = running.computeIfAbsent(key, k -> new AtomicInteger());
          if (now.incrementAndGet() > 1) {
            tooMany.incrementAndGet();
          }
          try {
            order
                .computeIfAbsent(key, k -> Collections.synchronizedList(new ArrayList<>()))
                .add(payload);
            if (number % 7 == 0 && context.attempt() == 1) {
              throw new IllegalStateException("try again");
            }
          } finally {
            now.decrementAndGet();
          }
          if (number % 11 == 0) {
            fixture.transactions.execute(context::complete); // the next may begin with this commit
          }
          return number % 13 == 0 ? JobOutcome.discard("no") : JobOutcome.done();
        };
    start(handler);
    start(handler);
    QueueFixture.await(() -> fixture.finished("done") + fixture.finished("discarded") == 400);
    assertThat(tooMany).as("of one key at once").hasValue(0);
    for (int k = 0; k < 20; k++) {
      List<String> expected = new ArrayList<>();
      for (int i = k; i < 400; i += 20) {
        expected.add("k" + k + " " + i);
        if (i % 7 == 0) {
          expected.add("k" + k + " " + i);
        }
      }
      assertThat(order.get("k" + k)).containsExactlyElementsOf(expected);
    }
  }

  @Test
  void keyedJobs_runInTheTestKitToo() throws Exception {
    for (int i = 0; i < 5; i++) {
      fixture.enqueue(fixture.mail("p" + i).withPartitionKey("a"));
    }
    List<String> ran = new ArrayList<>();
    try (ManualWorker worker =
        ManualWorker.of(
            JobWorker.builder(fixture.transactions, workers.heartbeats())
                .name(QueueFixture.freshName())
                .queue(fixture.queue, 4)
                .handle(
                    QueueFixture.MAIL,
                    (context, payload) -> {
                      ran.add(payload);
                      return JobOutcome.done();
                    }))) {
      worker.drain();
    }
    assertThat(ran).containsExactly("p0", "p1", "p2", "p3", "p4");
  }

  @Test
  void deadlineOfTheJob_interruptsItsAttempt() {
    long id =
        fixture.enqueue(
            fixture.mail("x").withDeadline(Duration.ofMillis(100)).withMaxAttempts(2).withTag("a"));
    CountDownLatch never = new CountDownLatch(1);
    List<Optional<FailedAttempt>> failures = Collections.synchronizedList(new ArrayList<>());
    start(
        (context, payload) -> {
          assertThat(context.tags()).containsExactly("a");
          failures.add(context.lastFailure());
          never.await();
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(
            DeadLetters.create()
                .listAll(fixture.dsl, Long.toString(id - 1), 1)
                .jobs()
                .get(0)
                .reason())
        .startsWith("interrupted at its deadline");
    assertThat(failures).hasSize(2);
    assertThat(failures.get(0)).isEmpty();
    FailedAttempt first = failures.get(1).orElseThrow();
    assertThat(first.attempt()).isEqualTo(1);
    assertThat(first.error()).startsWith("interrupted at its deadline");
  }

  private Change requestCancel(long id) {
    return fixture.transactions.run(tx -> fixture.jobs.cancel(tx, id, "no longer wanted"));
  }

  private void awaitNoRequests() {
    QueueFixture.await(() -> fixture.count("select count(*) from pgbelay.job_cancel") == 0);
  }

  @Test
  void runningJob_isInterruptedAndFinishedAsCancelled() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch never = new CountDownLatch(1);
    AtomicReference<Boolean> told = new AtomicReference<>();
    start(
        (context, payload) -> {
          begun.countDown();
          try {
            never.await();
          } finally {
            told.set(context.isCancelled());
          }
          return JobOutcome.done();
        });
    begun.await();
    assertThat(requestCancel(id)).isEqualTo(Change.REQUESTED);
    QueueFixture.await(() -> fixture.finished("cancelled") == 1);
    assertThat(told).hasValue(true);
    assertThat(fixture.dsl.fetchValue("select reason from pgbelay.job_finished where id = ?", id))
        .isEqualTo("no longer wanted");
    awaitNoRequests();
    assertThat(requestCancel(id)).isEqualTo(Change.NOT_FOUND);
  }

  @Test
  void cancelledJobThatEndsWell_isDone() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    CountDownLatch begun = new CountDownLatch(1);
    start(
        (context, payload) -> {
          begun.countDown();
          while (!context.isCancelled()) {
            Thread.onSpinWait();
          }
          return JobOutcome.done();
        });
    begun.await();
    requestCancel(id);
    QueueFixture.await(() -> fixture.finished("done") == 1);
    awaitNoRequests();
  }

  @Test
  void cancelledJobThatWantsToComeAgain_doesNot() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    CountDownLatch begun = new CountDownLatch(1);
    AtomicInteger runs = new AtomicInteger();
    start(
        (context, payload) -> {
          runs.incrementAndGet();
          begun.countDown();
          while (!context.isCancelled()) {
            Thread.onSpinWait();
          }
          return JobOutcome.snooze(Duration.ofMillis(10));
        });
    begun.await();
    requestCancel(id);
    QueueFixture.await(() -> fixture.finished("cancelled") == 1);
    assertThat(runs).hasValue(1);
  }

  /** The worker that should be told is dead: whoever takes the job back ends it. */
  @Test
  void cancelledJobOfADeadWorker_isNotRunAgain() throws Exception {
    long id = fixture.enqueue(fixture.mail("x").withPartitionKey("a"));
    long next = fixture.enqueue(fixture.mail("x").withPartitionKey("a"));
    KeySql keys = new KeySql("pgbelay");
    fixture.transactions.execute(tx -> keys.admit(tx.connection(), KeySql.FRONT, 100));
    Hand dies = fixture.hand();
    assertThat(dies.claim(10)).extracting(ClaimedJob::id).containsExactly(id);
    assertThat(requestCancel(id)).isEqualTo(Change.REQUESTED);
    CancelSql cancels = new CancelSql("pgbelay");
    fixture.transactions.execute(tx -> cancels.apply(tx.connection()));
    assertThat(fixture.jobs("running")).as("it runs").isEqualTo(1);
    dies.expire();
    Hand other = fixture.hand();
    other.rescueOthers();
    fixture.transactions.execute(tx -> cancels.apply(tx.connection()));
    assertThat(fixture.finished("cancelled")).isEqualTo(1);
    assertThat(other.claim(10)).extracting(ClaimedJob::id).containsExactly(next);
    assertThat(requestCancel(next + 1_000)).isEqualTo(Change.NOT_FOUND);
    long waiting = fixture.enqueue(fixture.mail("x").withDelay(Duration.ofHours(1)));
    assertThat(requestCancel(waiting)).isEqualTo(Change.DONE);
  }

  private JobContext context(ClaimedJob job) {
    return new JobContext(
        job, new Registration.Identity(), fixture.settle, WorkMeters.NONE, fixture.slots(), null);
  }

  @Test
  void progressAndOutput_areSeenWithTheCommitAndKept() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    ClaimedJob job = fixture.hand().claim(1).get(0);
    assertThat(fixture.jobs.report(fixture.dsl, id)).isEmpty();
    fixture.transactions.execute(
        tx -> {
          context(job).progress(tx, 50, "half of it");
          assertThat(fixture.jobs.report(fixture.dsl, id)).isEmpty();
        });
    Report half = fixture.jobs.report(fixture.dsl, id).orElseThrow();
    assertThat(half.percent()).contains(50);
    assertThat(half.note()).contains("half of it");
    assertThat(half.output()).isEmpty();
    fixture.transactions.execute(
        tx -> {
          context(job).output(tx, "result".getBytes(StandardCharsets.UTF_8));
          context(job).complete(tx);
        });
    Report end = fixture.jobs.report(fixture.dsl, id).orElseThrow();
    assertThat(end.percent()).contains(50);
    assertThat(end.output().map(bytes -> new String(bytes, StandardCharsets.UTF_8)))
        .contains("result");
    ReportSql reports = fixture.settle.reports();
    fixture.transactions.execute(tx -> reports.purge(tx.connection(), 0, 10_000, 7));
    assertThat(fixture.jobs.report(fixture.dsl, id)).isPresent();
    fixture.dsl.execute(
        "update pgbelay.job_report set written_at = now() - interval '8 days' where job_id = ?",
        id);
    fixture.transactions.execute(tx -> reports.purge(tx.connection(), 0, 10_000, 7));
    assertThat(fixture.jobs.report(fixture.dsl, id)).isEmpty();
    assertThatThrownBy(() -> fixture.transactions.execute(tx -> context(job).progress(tx, 101, "")))
        .hasMessageContaining("percent must be between 0 and 100, is 101");
  }

  /** Hazard 4, for what handlers tell. */
  @Test
  void staleReport_isRefusedAndItsTransactionAborted() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    Hand first = fixture.hand();
    Hand second = fixture.hand();
    ClaimedJob stale = first.claim(1).get(0);
    first.expire();
    second.rescueOthers();
    ClaimedJob held = second.claim(1).get(0);
    assertThat(held.id()).isEqualTo(id);
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      tx.dsl().execute("insert into effect (job_id) values (?)", id);
                      assertThatThrownBy(() -> context(stale).progress(tx, 10, "late"))
                          .isInstanceOf(LeaseLostException.class);
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThatThrownBy(
            () -> fixture.transactions.execute(tx -> context(stale).output(tx, new byte[1])))
        .isInstanceOf(LeaseLostException.class);
    assertThat(fixture.jobs.report(fixture.dsl, id)).isEmpty();
    assertThat(fixture.count("select count(*) from effect where job_id = ?", id)).isZero();
    fixture.transactions.execute(tx -> context(held).progress(tx, 20, "own"));
    ReportSql unfenced = new ReportSql("pgbelay", Duration.ofSeconds(30), NO_FENCE);
    boolean written =
        fixture.transactions.run(
            tx -> unfenced.write(tx.connection(), id, stale.fence(), 10, "late", null));
    assertThat(written).as("without the fence it does harm").isTrue();
    assertThat(fixture.jobs.report(fixture.dsl, id).orElseThrow().note()).contains("late");
  }

  @Test
  void jobDoesNotPassOnWhileAReportAboutItIsNotCommitted() throws Exception {
    fixture.enqueue(fixture.mail("x"));
    Hand slow = fixture.hand();
    Hand other = fixture.hand();
    ClaimedJob job = slow.claim(1).get(0);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session telling = script.session("telling");
      telling.run(
          c ->
              assertThat(
                      fixture.settle.reports().write(c, job.id(), job.fence(), 10, "so far", null))
                  .isTrue());
      slow.expire();
      assertThat(other.rescueOthers()).isEqualTo(new RescueSql.Rescued(0, 0));
      telling.commit();
    }
    assertThat(other.rescueOthers().back()).isEqualTo(1);
  }

  @Test
  void leftovers_areRemovedByTheWorkersLoop() throws Exception {
    fixture.enqueue(
        fixture.mail("x").withUniqueKey(fixture.queue, NewJob.UniqueScope.whileUnfinished()));
    start((context, payload) -> JobOutcome.done());
    QueueFixture.await(() -> fixture.finished("done") == 1);
    Leftovers leftovers =
        new Leftovers(
            QueueFixture.freshName(),
            new MissingTables("test", "pgbelay"),
            fixture.transactions,
            new UniqueSql("pgbelay"),
            fixture.settle.reports(),
            7,
            Duration.ofSeconds(30),
            null);
    QueueFixture.await(() -> leftovers.pass().work() == 0);
    assertThat(
            fixture.count("select count(*) from pgbelay.job_unique where key = ?", fixture.queue))
        .isZero();
    leftovers.close();
  }
}
