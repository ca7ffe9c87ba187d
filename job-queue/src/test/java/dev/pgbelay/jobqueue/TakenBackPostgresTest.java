package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * What a transaction takes back of itself by a savepoint that nobody told of, and what ends while a
 * transaction is open.
 */
class TakenBackPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final JobKind<String> kind = JobKind.text("kind-" + fixture.queue);
  private final AtomicInteger runs = new AtomicInteger();

  private JobWorkerBuilder worker(JobHandler<String> handler) {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 2)
        .lease(Duration.ofSeconds(2))
        .pollInterval(Duration.ofMillis(20))
        .handle(
            kind, RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(10)), handler);
  }

  private long enqueue() {
    return fixture.enqueue(kind.job("x").withQueue(fixture.queue));
  }

  private void completeOnceInVain(JobContext context, Runnable inVain) {
    if (runs.incrementAndGet() == 1) {
      inVain.run();
    } else {
      fixture.transactions.execute(context::complete);
    }
  }

  @Test
  void completionTakenBackBySavepointOfSqlText_isAFailedAttempt() {
    enqueue();
    workers.start(
        worker(
            (context, payload) -> {
              completeOnceInVain(
                  context,
                  () ->
                      fixture.transactions.execute(
                          tx -> {
                            tx.dsl().execute("savepoint s");
                            context.complete(tx);
                            tx.dsl().execute("rollback to savepoint s");
                          }));
              return JobOutcome.done();
            }));
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(runs).hasValue(2);
  }

  @Test
  void completionTakenBackBySavepointOfTheOwner_isAFailedAttempt() {
    enqueue();
    workers.start(
        worker(
            (context, payload) -> {
              completeOnceInVain(context, () -> completeAndTakeBack(context));
              return JobOutcome.done();
            }));
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(runs).hasValue(2);
  }

  private void completeAndTakeBack(JobContext context) {
    List<Runnable> hooks = new ArrayList<>();
    try (Connection owner = postgres.dataSource().getConnection()) {
      owner.setAutoCommit(false);
      Savepoint savepoint = owner.setSavepoint();
      context.complete(Tx.join(owner, hooks::add));
      owner.rollback(savepoint);
      owner.commit();
      owner.setAutoCommit(true);
    } catch (java.sql.SQLException e) {
      throw new IllegalStateException(e);
    }
    hooks.forEach(Runnable::run);
  }

  @Test
  void completionWithinASavepointThatIsKept_isDoneAndRunsOnce() {
    enqueue();
    workers.start(
        worker(
            (context, payload) -> {
              runs.incrementAndGet();
              fixture.transactions.execute(
                  tx -> {
                    tx.dsl().execute("savepoint s");
                    context.complete(tx);
                    tx.dsl().execute("release savepoint s");
                  });
              return JobOutcome.done();
            }));
    QueueFixture.await(() -> fixture.finished("done") == 1);
    enqueue();
    QueueFixture.await(() -> fixture.finished("done") == 2);
    assertThat(runs).hasValue(2);
    assertThat(fixture.jobs("scheduled")).isZero();
  }

  /** Jobs are handed over as soon as the worker has seen its empty queue. */
  private JobQueue handingOver(JobWorkerBuilder worker) {
    JobQueue jobs = JobQueue.create();
    workers.start(worker.wokenBy(jobs));
    QueueFixture.await(
        () ->
            fixture.transactions.<Boolean, RuntimeException>run(
                tx ->
                    isHandedOver(
                        tx, jobs.enqueue(tx, kind.job("probe").withQueue(fixture.queue)))));
    return jobs;
  }

  private static boolean isHandedOver(Tx tx, long id) {
    return "running".equals(tx.dsl().fetchValue("select state from pgbelay.job where id = ?", id));
  }

  @Test
  void enqueueTakenBackBySavepointOfSqlText_isNotRun() {
    List<String> ran = new CopyOnWriteArrayList<>();
    JobQueue jobs =
        handingOver(
            worker(
                (context, payload) -> {
                  ran.add(payload);
                  return JobOutcome.done();
                }));
    AtomicInteger handedOver = new AtomicInteger();
    for (int i = 0; i < 10; i++) {
      QueueFixture.await(
          () ->
              fixture.transactions.<Boolean, RuntimeException>run(
                  tx -> {
                    tx.dsl().execute("savepoint s");
                    long id = jobs.enqueue(tx, kind.job("never").withQueue(fixture.queue));
                    boolean isHandedOver = isHandedOver(tx, id);
                    tx.dsl().execute("rollback to savepoint s");
                    handedOver.addAndGet(isHandedOver ? 1 : 0);
                    return isHandedOver;
                  }));
    }
    fixture.transactions.execute(
        tx -> {
          tx.dsl().execute("savepoint s");
          jobs.enqueue(tx, kind.job("kept").withQueue(fixture.queue));
          tx.dsl().execute("release savepoint s");
        });
    QueueFixture.await(() -> ran.contains("kept"));
    QueueFixture.await(() -> fixture.jobs("running") == 0);
    assertThat(handedOver).hasValueGreaterThanOrEqualTo(10);
    assertThat(ran).doesNotContain("never");
  }

  @Test
  void jobHandedOverToAWorkerThatStopsBeforeTheCommit_losesNoAttempt() {
    JobWorkerBuilder stopping =
        worker(
            (context, payload) -> {
              runs.incrementAndGet();
              return JobOutcome.done();
            });
    JobQueue jobs = handingOver(stopping);
    QueueFixture.await(() -> fixture.jobs("running") + fixture.jobs("ready") == 0);
    QueueFixture.await(
        () ->
            fixture.transactions.<Boolean, RuntimeException>run(
                tx -> {
                  long id =
                      jobs.enqueue(tx, kind.job("x").withQueue(fixture.queue).withMaxAttempts(1));
                  boolean handedOver = isHandedOver(tx, id);
                  if (handedOver) {
                    workers.stop(Duration.ofSeconds(1));
                  }
                  return handedOver;
                }));
    int before = runs.get();
    assertThat(fixture.jobs("running")).isZero();
    int waiting = fixture.jobs("ready");
    assertThat(waiting).isPositive();
    workers.start(
        worker(
            (context, payload) -> {
              runs.incrementAndGet();
              return JobOutcome.done();
            }));
    QueueFixture.await(() -> fixture.jobs("ready") + fixture.jobs("running") == 0);
    assertThat(fixture.dead()).isZero();
    assertThat(runs).hasValue(before + waiting);
  }

  @Test
  void wishToCancel_endsWithTheJobAndNotWithTheNextLifeOfIt() throws Exception {
    long id = fixture.enqueue(fixture.mail("x").withMaxAttempts(1));
    QueueFixture.Hand hand = fixture.hand();
    ClaimedJob claimed = hand.claim(1).get(0);
    fixture.transactions.execute(
        tx ->
            assertThat(fixture.jobs.cancel(tx, id, "enough")).isEqualTo(JobQueue.Change.REQUESTED));
    fixture.transactions.execute(
        tx ->
            fixture.settle.settle(
                tx.connection(),
                Settlement.Fate.DEAD,
                hand.claimant.id(),
                "node",
                List.of(
                    Settlement.of(claimed, Settlement.Fate.DEAD, fixture.slots())
                        .because("failed"))));
    fixture.transactions.execute(tx -> DeadLetters.create().redrive(tx, id));
    fixture.transactions.execute(tx -> new CancelSql("pgbelay").apply(tx.connection()));
    assertThat(fixture.jobs("ready")).isEqualTo(1);
  }
}
