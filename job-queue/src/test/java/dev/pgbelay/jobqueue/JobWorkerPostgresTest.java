package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.deadletter.DeadLetter;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Workers whose database is well. */
class JobWorkerPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 1);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final RetryPolicy soon =
      RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(20));

  private JobWorkerBuilder worker() {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .node(fixture.queue)
        .queue(fixture.queue, 4)
        .pollInterval(Duration.ofMillis(20))
        .meterRegistry(meters);
  }

  private JobWorker start(JobHandler<String> handler) {
    return start(worker().handle(QueueFixture.MAIL, soon, handler));
  }

  private JobWorker start(JobWorkerBuilder builder) {
    return workers.start(builder);
  }

  /** Counted after the commit: to be awaited. */
  private double settled(String outcome) {
    var counter =
        meters
            .find("pgbelay.jobqueue.settled")
            .tag("queue", fixture.queue)
            .tag("outcome", outcome)
            .counter();
    return counter == null ? 0 : counter.count();
  }

  @Test
  void everyJob_isRunOnceAndFinished() {
    Map<String, Integer> runs = new ConcurrentHashMap<>();
    fixture.enqueue(3_000);
    start(
        (context, payload) -> {
          runs.merge(payload, 1, Integer::sum);
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 3_000);
    assertThat(runs).hasSize(3_000);
    assertThat(runs.values()).containsOnly(1);
    assertThat(fixture.count("select count(*) from pgbelay.job where queue = ?", fixture.queue))
        .isZero();
    QueueFixture.await(() -> settled("done") == 3_000);
    assertThat(meters.get("pgbelay.jobqueue.claimed").tag("queue", fixture.queue).counter().count())
        .isEqualTo(3_000);
    assertThat(meters.get("pgbelay.jobqueue.attempt").tag("kind", "mail").timer().count())
        .isEqualTo(3_000);
    QueueFixture.await(
        () ->
            meters.get("pgbelay.jobqueue.running").tag("queue", fixture.queue).gauge().value()
                == 0);
    assertThat(meters.get("pgbelay.jobqueue.buffered").tag("queue", fixture.queue).gauge().value())
        .isZero();
  }

  @Test
  void handler_isGivenWhatTheJobWasEnqueuedWith() {
    List<String> seen = new CopyOnWriteArrayList<>();
    long id = fixture.enqueue(fixture.mail("p").withHeader("trace", "t1").withMaxAttempts(3));
    start(
        (context, payload) -> {
          seen.add(
              String.join(
                  " ",
                  String.valueOf(context.jobId() == id),
                  context.kind(),
                  String.valueOf(context.queue().equals(fixture.queue)),
                  context.attempt() + "/" + context.maxAttempts(),
                  context.headers().toString(),
                  String.valueOf(context.position().isPresent()),
                  payload));
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(seen).containsExactly("true mail true 1/3 {trace=t1} true p");
  }

  @Test
  void failedJob_isRetriedThenADeadLetterAndRunsAgainWhenRedriven() {
    AtomicInteger runs = new AtomicInteger();
    long id = fixture.enqueue(fixture.mail("x").withMaxAttempts(3).withHeader("a", "b"));
    start(
        (context, payload) -> {
          if (runs.incrementAndGet() <= 3) {
            throw new IOException("down\0" + runs.get());
          }
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(runs).hasValue(3);
    QueueFixture.await(() -> settled("dead") == 1);
    QueueFixture.await(() -> settled("retried") == 2);
    DeadLetters letters = DeadLetters.create();
    DeadLetter letter =
        letters.list(fixture.dsl, QueueFixture.MAIL, Long.toString(id - 1), 10).jobs().get(0);
    assertThat(letter.id()).isEqualTo(id);
    assertThat(letter.queue()).isEqualTo(fixture.queue);
    assertThat(letter.attempts()).isEqualTo(3);
    assertThat(letter.reason()).isEqualTo("java.io.IOException: down 3");
    assertThat(letter.headers()).isEqualTo(Map.of("a", "b"));
    assertThat(letter.failures())
        .extracting(FailedAttempt::attempt, FailedAttempt::error)
        .containsExactly(
            tuple(1, "java.io.IOException: down 1"),
            tuple(2, "java.io.IOException: down 2"),
            tuple(3, "java.io.IOException: down 3"));
    assertThat(redrive(letters, id)).isEqualTo(DeadLetters.Outcome.DONE);
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(runs).hasValue(4);
    assertThat(redrive(letters, id)).isEqualTo(DeadLetters.Outcome.NOT_FOUND);
  }

  private DeadLetters.Outcome redrive(DeadLetters letters, long id) {
    return fixture.transactions.run(tx -> letters.redrive(tx, id));
  }

  @Test
  void redriveOfAKind_isPagedAndDeleteThrowsAway() throws Exception {
    JobKind<String> kind = JobKind.text("kind-of-" + fixture.queue);
    for (int i = 0; i < 5; i++) {
      fixture.enqueue(kind.job("x").withQueue(fixture.queue).withMaxAttempts(1));
    }
    JobWorker worker =
        start(
            worker()
                .handle(
                    kind,
                    (context, payload) -> {
                      throw new IllegalStateException("no");
                    }));
    QueueFixture.await(() -> fixture.dead() == 5);
    worker.stop(Duration.ZERO);
    DeadLetters letters = DeadLetters.create();
    long first = letters.list(fixture.dsl, kind, 1).jobs().get(0).id();
    DeadLetters.Outcome deleted = fixture.transactions.run(tx -> letters.delete(tx, first));
    assertThat(deleted).isEqualTo(DeadLetters.Outcome.DONE);
    for (int expected : new int[] {3, 1}) {
      int redriven = fixture.transactions.run(tx -> letters.redrive(tx, kind, 3));
      assertThat(redriven).isEqualTo(expected);
    }
    assertThat(fixture.jobs("ready")).isEqualTo(4);
    assertThat(fixture.dead()).isZero();
  }

  @Test
  void failures_areKeptUpToEight() {
    fixture.enqueue(fixture.mail("x").withMaxAttempts(12));
    start(
        (context, payload) -> {
          throw new IllegalStateException("no " + context.attempt());
        });
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(
            fixture.count(
                "select cardinality(failures) from pgbelay.job_dead where queue = ?",
                fixture.queue))
        .isEqualTo(8);
  }

  @Test
  void ruleOfTheRetryPolicy_givesUpAtOnce() {
    fixture.enqueue(1);
    start(
        worker()
            .handle(
                QueueFixture.MAIL,
                soon.withNoRetryAfter(IllegalArgumentException.class),
                (context, payload) -> {
                  throw new NumberFormatException("never will");
                }));
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(settled("retried")).isZero();
  }

  @Test
  void handlerThatReturnsNull_hasFailed() {
    long id = fixture.enqueue(fixture.mail("x").withMaxAttempts(1));
    start((context, payload) -> nothing());
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(
            DeadLetters.create()
                .list(fixture.dsl, QueueFixture.MAIL, Long.toString(id - 1), 1)
                .jobs()
                .get(0)
                .reason())
        .contains("the handler of kind 'mail' returned null: return JobOutcome.done()");
  }

  /** What a handler in code without null checks can do. */
  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nothing() {
    return null;
  }

  @Test
  void discardAndSnooze_endAndPostpone() {
    fixture.enqueue(fixture.mail("gone"));
    fixture.enqueue(fixture.mail("early").withMaxAttempts(1));
    AtomicInteger early = new AtomicInteger();
    start(
        (context, payload) -> {
          if (payload.equals("gone")) {
            return JobOutcome.discard("account closed");
          }
          assertThat(context.attempt()).isEqualTo(1);
          return early.incrementAndGet() < 4
              ? JobOutcome.snooze(Duration.ofMillis(30))
              : JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(early).hasValue(4);
    QueueFixture.await(() -> fixture.finished("discarded") == 1);
    QueueFixture.await(() -> settled("snoozed") == 3);
    assertThat(
            fixture.dsl.fetchValue(
                "select reason from pgbelay.job_finished where queue = ? and outcome = 'discarded'",
                fixture.queue))
        .isEqualTo("account closed");
  }

  @Test
  void retryLater_counts() {
    fixture.enqueue(fixture.mail("x").withMaxAttempts(2));
    start((context, payload) -> JobOutcome.retryLater(Duration.ofMillis(10), "not there"));
    QueueFixture.await(() -> fixture.dead() == 1);
    QueueFixture.await(() -> settled("retried") == 1);
  }

  @Test
  void delayedJob_isNotRunBeforeItsTime() {
    List<String> order = new CopyOnWriteArrayList<>();
    long late = fixture.enqueue(fixture.mail("late").withDelay(Duration.ofHours(1)));
    fixture.enqueue(fixture.mail("now"));
    start(
        (context, payload) -> {
          order.add(payload);
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 1);
    fixture.enqueue(fixture.mail("now too"));
    QueueFixture.await(() -> fixture.finished("done") == 2);
    assertThat(order).containsExactly("now", "now too");
    assertThat(fixture.jobs("scheduled")).isEqualTo(1);
    fixture.dsl.execute("update pgbelay.job set run_at = clock_timestamp() where id = ?", late);
    QueueFixture.await(() -> fixture.finished("done") == 3);
    assertThat(order).containsExactly("now", "now too", "late");
  }

  @Test
  void undecodablePayload_isADeadLetterAtOnceAndItsBytesAreInNoMessage() {
    JobKind<byte[]> raw = JobKind.bytes("mail");
    fixture.enqueue(raw.job(new byte[] {(byte) 0xff, 1, 2}).withQueue(fixture.queue));
    start((context, payload) -> JobOutcome.done());
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(
            fixture.dsl.fetchValue(
                "select reason from pgbelay.job_dead where queue = ?", fixture.queue))
        .isEqualTo("payload cannot be read: java.nio.charset.MalformedInputException");
  }

  @Test
  void unknownKind_isLeftForOthers() {
    fixture.enqueue(JobKind.text("future").job("x").withQueue(fixture.queue));
    fixture.enqueue(1);
    start((context, payload) -> JobOutcome.done());
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(fixture.jobs("ready")).isEqualTo(1);
    assertThat(
            fixture.count(
                "select attempt from pgbelay.job where queue = ? and kind = 'future'",
                fixture.queue))
        .isZero();
  }

  @Test
  void claim_takesNeverMoreThanAskedInTheOrderOfAgeAndPriority() throws Exception {
    List<String> order = new ArrayList<>();
    fixture.enqueue(fixture.mail("second"));
    fixture.enqueue(fixture.mail("third"));
    fixture.enqueue(fixture.mail("first").withPriority(Duration.ofMinutes(1)));
    fixture.enqueue(fixture.mail("last").withPriority(Duration.ofMinutes(-1)));
    fixture.enqueue(fixture.mail("fourth"));
    QueueFixture.Hand hand = fixture.hand();
    for (int i = 0; i < 3; i++) {
      List<ClaimedJob> two = hand.claim(2);
      assertThat(two).hasSizeLessThanOrEqualTo(2);
      two.forEach(
          job ->
              order.add(
                  new String(
                      Objects.requireNonNull(job.payload()),
                      java.nio.charset.StandardCharsets.UTF_8)));
    }
    assertThat(order).containsExactly("first", "second", "third", "fourth", "last");
  }

  @Test
  void headStart_isFoundThoughTheMarkHasPassedIt() {
    CountDownLatch go = new CountDownLatch(1);
    List<String> order = new CopyOnWriteArrayList<>();
    fixture.enqueue(2_000);
    start(
        (context, payload) -> {
          order.add(payload);
          if (!payload.equals("urgent")) {
            go.await();
          }
          return JobOutcome.done();
        });
    QueueFixture.await(() -> order.size() == 4);
    fixture.enqueue(fixture.mail("urgent").withPriority(Duration.ofHours(1)));
    go.countDown();
    QueueFixture.await(() -> fixture.finished("done") == 2_001);
    assertThat(order).contains("urgent");
  }

  @Test
  void complete_commitsTheEffectWithTheJob() {
    fixture.enqueue(50);
    start(
        (context, payload) -> {
          fixture.transactions.execute(
              tx -> {
                tx.dsl().execute("insert into effect (job_id) values (?)", context.jobId());
                context.complete(tx);
              });
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 50);
    assertThat(effects()).isEqualTo(50);
    QueueFixture.await(() -> settled("done") == 50);
    assertThat(meters.get("pgbelay.jobqueue.stale").counter().count()).isZero();
  }

  private int effects() {
    return fixture.count(
        "select count(distinct job_id) from effect e where exists (select from pgbelay.job_finished f"
            + " where f.id = e.job_id and f.queue = ?)",
        fixture.queue);
  }

  @Test
  void completeInAJoinedTransactionWithoutCallback_isFoundOutAfterwards() {
    fixture.enqueue(3);
    start(
        (context, payload) -> {
          try (Connection connection = postgres.dataSource().getConnection()) {
            connection.setAutoCommit(false);
            context.complete(Tx.join(connection));
            connection.commit();
          }
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 3);
    QueueFixture.await(() -> settled("done") == 3);
    assertThat(settled("retried")).isZero();
    assertThat(meters.get("pgbelay.jobqueue.stale").counter().count()).isZero();
  }

  @Test
  void completeThatIsRolledBack_isAFailedAttempt() {
    fixture.enqueue(1);
    AtomicInteger runs = new AtomicInteger();
    start(
        (context, payload) -> {
          boolean rollsBack = runs.incrementAndGet() == 1;
          try (Connection connection = postgres.dataSource().getConnection()) {
            connection.setAutoCommit(false);
            context.complete(Tx.join(connection));
            if (rollsBack) {
              connection.rollback();
            } else {
              connection.commit();
            }
          }
          return JobOutcome.done();
        });
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(runs).hasValue(2);
    QueueFixture.await(() -> settled("retried") == 1);
  }

  @Test
  void stop_finishesWhatRunsAndHandsBackWhatWaitsWithoutCountingIt() throws Exception {
    fixture.enqueue(500);
    CountDownLatch release = new CountDownLatch(1);
    AtomicInteger begun = new AtomicInteger();
    JobWorker worker =
        start(
            (context, payload) -> {
              if (begun.incrementAndGet() > 100) {
                release.await();
              }
              return JobOutcome.done();
            });
    QueueFixture.await(() -> begun.get() == 104);
    Thread releasing =
        new Thread(
            () -> {
              QueueFixture.await(() -> fixture.jobs("running") <= 4);
              release.countDown();
            });
    releasing.start();
    JobWorker.StopReport report = worker.stop(Duration.ofSeconds(30));
    releasing.join();
    assertThat(report.isClean()).isTrue();
    assertThat(fixture.finished("done")).isEqualTo(begun.get());
    assertThat(fixture.jobs("running")).isZero();
    assertThat(fixture.jobs("ready")).isEqualTo(500 - begun.get());
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job where queue = ? and attempt <> 0", fixture.queue))
        .isZero();
    assertThat(
            fixture.count("select count(*) from pgbelay.job_worker where node = ?", fixture.queue))
        .as("it has signed off")
        .isZero();
    assertThatThrownBy(worker::start)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("build a new one");
  }

  @Test
  void stop_interruptsAndReportsHandlersThatDoNotHeedIt() throws Exception {
    fixture.enqueue(fixture.mail("heeds"));
    fixture.enqueue(fixture.mail("deaf"));
    CountDownLatch both = new CountDownLatch(2);
    CountDownLatch end = new CountDownLatch(1);
    JobWorker worker =
        start(
            (context, payload) -> {
              both.countDown();
              while (true) {
                try {
                  end.await();
                  return JobOutcome.done();
                } catch (InterruptedException e) {
                  if (payload.equals("heeds")) {
                    throw e;
                  }
                }
              }
            });
    both.await();
    long start = System.nanoTime();
    JobWorker.StopReport report = worker.stop(Duration.ofMillis(100));
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(15));
    assertThat(report.unwritten()).isZero();
    assertThat(report.stillRunning()).isBetween(1, 2);
    if (report.stillRunning() == 1) { // the machine let the other one heed it within a second
      assertThat(fixture.jobs("ready")).as("the one that heeded it").isEqualTo(1);
      assertThat(fixture.jobs("running")).as("left to the lease").isEqualTo(1);
    }
    end.countDown();
  }

  @Test
  void commitInTheSameProcess_wakesTheWorker() throws Exception {
    JobQueue waking = JobQueue.create();
    JobWorker worker =
        start(
            worker()
                .pollInterval(Duration.ofMinutes(1))
                .wokenBy(waking)
                .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done()));
    for (int round = 1; round <= 20; round++) {
      boolean many = round % 2 == 0;
      fixture.transactions.execute(
          tx -> {
            if (many) {
              waking.enqueueAll(tx, List.of(fixture.mail("a"), fixture.mail("b")));
            } else {
              waking.enqueue(tx, fixture.mail("a"));
            }
          });
      int expected = round + round / 2;
      QueueFixture.await(() -> fixture.finished("done") == expected);
    }
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      waking.enqueue(Tx.join(connection), fixture.mail("nobody is told of this commit"));
      connection.commit();
    }
    worker.wakeUp();
    QueueFixture.await(() -> fixture.finished("done") == 31);
  }

  @Test
  void finishedJobs_areForgottenByWholeDaysAndNotBeforeTheirTime() throws Exception {
    int today = fixture.count("select floor(extract(epoch from clock_timestamp()) / 86400)::int");
    for (int age : new int[] {-1, 0, 1, 6, 7, 8, 20, 30, 31, 40}) {
      fixture.dsl.execute(
          "insert into pgbelay.job_finished (id, finished_at, finished_day, attempt, outcome, queue,"
              + " kind) values (?, now(), ?, 1, 'done', ?, 'mail')",
          age,
          today - age,
          fixture.queue);
    }
    RetentionSql sql = new RetentionSql("pgbelay");
    List<Integer> expired = fixture.transactions.run(tx -> sql.expired(tx.connection(), 7));
    for (int slot : expired) {
      fixture.transactions.execute(tx -> sql.empty(tx.connection(), slot));
    }
    assertThat(
            fixture
                .dsl
                .fetch("select id from pgbelay.job_finished where queue = ?", fixture.queue)
                .getValues(0, Integer.class))
        .as("31 shares its slot with tomorrow, and goes with the next round of the ring")
        .containsExactlyInAnyOrder(-1, 0, 1, 6, 7, 31);
    List<Integer> again = fixture.transactions.run(tx -> sql.expired(tx.connection(), 7));
    assertThat(again).isEmpty();
  }

  @Test
  void attemptPastItsDeadline_isInterruptedAndFailed() {
    fixture.enqueue(fixture.mail("slow").withMaxAttempts(1));
    start(
        worker()
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  new CountDownLatch(1).await();
                  return JobOutcome.done();
                })
            .deadline(QueueFixture.MAIL, Duration.ofMillis(100)));
    QueueFixture.await(() -> fixture.dead() == 1);
    assertThat(
            fixture.dsl.fetchValue(
                "select reason from pgbelay.job_dead where queue = ?", fixture.queue))
        .isEqualTo("interrupted at its deadline: java.lang.InterruptedException");
    assertThat(meters.get("pgbelay.jobqueue.overdue").counter().count()).isEqualTo(1);
  }

  @Test
  void attemptThatIgnoresItsInterrupt_isCountedAndDisturbsNoOther() {
    CountDownLatch end = new CountDownLatch(1);
    fixture.enqueue(fixture.mail("deaf"));
    start(
        worker()
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  while (payload.equals("deaf") && end.getCount() > 0) {
                    try {
                      end.await();
                    } catch (InterruptedException e) {
                      // goes on
                      assertThat(end.getCount()).isEqualTo(1);
                    }
                  }
                  assertThat(Thread.currentThread().isInterrupted()).isFalse();
                  return JobOutcome.done();
                })
            .deadline(QueueFixture.MAIL, Duration.ofMillis(100)));
    QueueFixture.await(() -> meters.get("pgbelay.jobqueue.uninterruptible").counter().count() == 1);
    fixture.enqueue(50);
    QueueFixture.await(() -> fixture.finished("done") == 50);
    end.countDown();
    QueueFixture.await(() -> fixture.finished("done") == 51);
    assertThat(meters.get("pgbelay.jobqueue.overdue").counter().count())
        .as("more where the machine takes so long for one of the others")
        .isPositive();
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> worker().build()).hasMessageContaining("has no handler");
    assertThatThrownBy(
            () ->
                worker()
                    .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done())
                    .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done()))
        .hasMessageContaining("kind 'mail' has a handler already");
    assertThatThrownBy(() -> worker().queue(fixture.queue, 1))
        .hasMessageContaining("is named twice");
    assertThatThrownBy(() -> worker().queue("other", 0))
        .hasMessageContaining("concurrency of queue 'other' must be between 1 and 1000, is 0");
    assertThatThrownBy(() -> worker().lease(Duration.ofMillis(10)))
        .hasMessageContaining("lease must be between");
    assertThatThrownBy(() -> worker().deadline(QueueFixture.MAIL, Duration.ofSeconds(1)))
        .hasMessageContaining("kind 'mail' has no handler");
    assertThatThrownBy(() -> worker().retention(Duration.ofHours(3)))
        .hasMessageContaining("retention must be between");
    assertThatThrownBy(() -> worker().pollInterval(Duration.ZERO))
        .hasMessageContaining("pollInterval must be between");
    assertThatThrownBy(() -> worker().name("No")).hasMessageContaining("name is \"No\"");
    assertThatThrownBy(() -> JobOutcome.snooze(Duration.ofSeconds(-1)))
        .hasMessageContaining("delay must be between");
    assertThatThrownBy(() -> RetryPolicy.exponential(Duration.ofSeconds(2), Duration.ofSeconds(1)))
        .hasMessageContaining("first must be between");
    assertThatThrownBy(() -> DeadLetters.create().listAll(fixture.dsl, 0))
        .hasMessageContaining("limit must be between 1 and 1000, is 0");
  }
}
