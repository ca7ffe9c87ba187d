package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Jobs that are enqueued as claimed by a worker of the same process. */
class HandOverPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final List<Long> ran = new CopyOnWriteArrayList<>();
  private int before;
  private final List<Optional<CommitPosition>> positions = new CopyOnWriteArrayList<>();

  private JobWorkerBuilder worker() {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 2)
        .wokenBy(fixture.jobs);
  }

  private JobOutcome run(JobContext context) {
    ran.add(context.jobId());
    positions.add(context.position());
    return JobOutcome.done();
  }

  /** A worker that polls too seldom to find anything by itself. */
  private JobWorker start() {
    return start(
        worker()
            .pollInterval(Duration.ofMinutes(1))
            .handle(QueueFixture.MAIL, (context, payload) -> run(context)));
  }

  private JobWorker start(JobWorkerBuilder builder) {
    return workers.start(builder);
  }

  private static String state(Tx tx, long id) {
    return String.valueOf(tx.dsl().fetchValue("select state from pgbelay.job where id = ?", id));
  }

  /** Until the worker is registered, has seen that nothing waits, and has a thread free. */
  private void awaitHandOver() {
    int[] tried = new int[1];
    QueueFixture.await(
        () -> {
          tried[0]++;
          return fixture.transactions.run(
              tx -> state(tx, fixture.jobs.enqueue(tx, fixture.mail("try"))).equals("running"));
        });
    QueueFixture.await(() -> fixture.finished("done") == before + tried[0]);
    before += tried[0];
    ran.clear();
    positions.clear();
  }

  /**
   * Has {@code body} run in a transaction that has handed a job over. Whether one is depends on
   * what the worker is at just then, so it is tried until one is.
   */
  private <T> Commit<Optional<T>> withHandedOver(BiFunction<Tx, Long, T> body) {
    while (true) {
      Commit<Optional<T>> commit =
          fixture.transactions.commit(
              TxOptions.defaults(),
              tx -> {
                long id = fixture.jobs.enqueue(tx, fixture.mail("x"));
                return state(tx, id).equals("running")
                    ? Optional.of(body.apply(tx, id))
                    : Optional.empty();
              });
      if (commit.value().isPresent()) {
        return commit;
      }
      before++;
      QueueFixture.await(() -> done() == 0);
      ran.clear();
      positions.clear();
    }
  }

  private int done() {
    return fixture.finished("done") - before;
  }

  @Test
  void jobEnqueuedWhileAThreadIsFree_isClaimedByItsEnqueueAndRunsAfterTheCommit() {
    start();
    awaitHandOver();
    for (int i = 0; i < 20; i++) {
      fixture.enqueue(fixture.mail("x"));
    }
    QueueFixture.await(() -> done() == 20);
    assertThat(ran).hasSize(20).doesNotHaveDuplicates();
    assertThat(positions).allSatisfy(position -> assertThat(position).isPresent());
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job_finished where queue = ? and attempt <> 1",
                fixture.queue))
        .isZero();
  }

  @Test
  void handedOverJob_isGivenThePositionOfItsEnqueue() throws Exception {
    start();
    awaitHandOver();
    CommitPosition position = withHandedOver((tx, id) -> id).position().orElseThrow();
    QueueFixture.await(() -> !positions.isEmpty());
    assertThat(positions.get(0)).contains(position);
  }

  @Test
  void rollback_givesTheSlotBack() {
    start();
    awaitHandOver();
    for (int i = 0; i < 5; i++) {
      assertThatThrownBy(
              () ->
                  fixture.transactions.execute(
                      tx -> {
                        fixture.jobs.enqueue(tx, fixture.mail("x"));
                        throw new IllegalStateException("not this time");
                      }))
          .isInstanceOf(IllegalStateException.class);
    }
    awaitHandOver();
    assertThat(ran).isEmpty();
    assertThat(done()).isZero();
  }

  @Test
  void rollbackToASavepoint_takesTheHandOverBack() {
    start();
    awaitHandOver();
    AtomicLong undone = new AtomicLong();
    while (undone.get() == 0) {
      fixture.transactions.execute(
          tx -> {
            try {
              tx.dsl()
                  .transaction(
                      nested -> {
                        long id = fixture.jobs.enqueue(tx, fixture.mail("undone"));
                        if (state(tx, id).equals("running")) {
                          undone.set(id);
                        }
                        throw new IllegalStateException("only this far");
                      });
            } catch (IllegalStateException expected) {
              assertThat(expected).hasMessage("only this far");
            }
          });
    }
    long kept = fixture.enqueue(fixture.mail("kept"));
    QueueFixture.await(() -> done() == 1);
    assertThat(ran).containsExactly(kept);
  }

  @Test
  void whileNoThreadIsFree_jobsAreEnqueuedAsOthersAre() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    CountDownLatch held = new CountDownLatch(2);
    start(
        worker()
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  if (payload.equals("hold")) {
                    held.countDown();
                    go.await();
                  }
                  return run(context);
                }));
    awaitHandOver();
    fixture.enqueue(fixture.mail("hold"));
    fixture.enqueue(fixture.mail("hold"));
    QueueFixture.await(() -> held.getCount() == 0);
    fixture.transactions.execute(
        tx -> {
          for (int i = 0; i < 2; i++) {
            assertThat(state(tx, fixture.jobs.enqueue(tx, fixture.mail("x")))).isEqualTo("ready");
          }
        });
    go.countDown();
    QueueFixture.await(() -> done() == 4);
    assertThat(ran).hasSize(4).doesNotHaveDuplicates();
  }

  @Test
  void jobsForLaterAndOfUnknownKinds_areEnqueuedAsOthersAre() {
    start();
    awaitHandOver();
    fixture.transactions.execute(
        tx -> {
          long later = fixture.jobs.enqueue(tx, fixture.mail("x").withDelay(Duration.ofDays(1)));
          long unknown =
              fixture.jobs.enqueue(tx, JobKind.text("unknown").job("x").withQueue(fixture.queue));
          assertThat(state(tx, later)).isEqualTo("scheduled");
          assertThat(state(tx, unknown)).isEqualTo("ready");
        });
  }

  private enum Joined {
    CONNECTION {
      @Override
      Tx join(Connection connection) {
        return Tx.join(connection);
      }
    },
    CONNECTION_WITH_CALLBACK {
      @Override
      Tx join(Connection connection) {
        return Tx.join(connection, hook -> {});
      }
    },
    DSL_WITH_CALLBACK {
      @Override
      Tx join(Connection connection) {
        return Tx.join(DSL.using(connection, SQLDialect.POSTGRES), hook -> {});
      }
    };

    abstract Tx join(Connection connection);
  }

  /**
   * A savepoint that its owner rolls back would not be seen, so the job would be run though it does
   * not exist. One job is handed over right before and one right after: the worker takes what it is
   * offered, and is not offered this.
   */
  @ParameterizedTest
  @EnumSource
  void jobOfAJoinedTransaction_isEnqueuedAsOthersAre(Joined joined) throws Exception {
    start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 4)
            .wokenBy(fixture.jobs)
            .pollInterval(Duration.ofMinutes(1))
            .handle(QueueFixture.MAIL, (context, payload) -> run(context)));
    awaitHandOver();
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      List<String> states = new ArrayList<>();
      QueueFixture.await(
          () ->
              fixture.transactions.run(
                  tx -> {
                    boolean before =
                        state(tx, fixture.jobs.enqueue(tx, fixture.mail("x"))).equals("running");
                    Tx other = joined.join(connection);
                    states.add(state(other, fixture.jobs.enqueue(other, fixture.mail("x"))));
                    connection.rollback();
                    return before
                        && state(tx, fixture.jobs.enqueue(tx, fixture.mail("x"))).equals("running");
                  }));
      assertThat(states).containsOnly("ready");
    }
  }

  /** As where one {@code JobQueue} serves several databases. */
  @Test
  void whereTheDatabaseDoesNotKnowTheWorker_jobsAreEnqueuedAsOthersAre() {
    start();
    awaitHandOver();
    fixture.transactions.execute(
        tx -> {
          tx.dsl().execute("delete from pgbelay.job_worker");
          long id = fixture.jobs.enqueue(tx, fixture.mail("x"));
          assertThat(state(tx, id)).isEqualTo("ready");
        });
  }

  @Test
  void commitWhoseAnswerWasLost_losesNoJob() throws Exception {
    JobWorker worker = start();
    awaitHandOver();
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 1)) {
      Transactions cut = Transactions.of(pool);
      AtomicBoolean handedOver = new AtomicBoolean();
      while (!handedOver.get()) {
        cut.execute(tx -> tx.dsl().execute("select 1"));
        proxy.cutAfterCommit(1);
        assertThatThrownBy(
                () ->
                    cut.execute(
                        tx -> {
                          long id = fixture.jobs.enqueue(tx, fixture.mail("x"));
                          handedOver.set(state(tx, id).equals("running"));
                        }))
            .isInstanceOf(OutcomeUnknownException.class);
        QueueFixture.await(
            () -> {
              worker.wakeUp();
              return done() == 1;
            });
        assertThat(ran).hasSize(1);
        assertThat(
                fixture.count(
                    "select count(*) from pgbelay.job_finished where queue = ? and attempt <> 1",
                    fixture.queue))
            .isZero();
        before++;
        ran.clear();
      }
    }
  }

  @Test
  void commitAfterTheWorkerHasStopped_leavesTheJobToOthers() {
    JobWorker worker =
        start(
            worker()
                .lease(Duration.ofSeconds(2)) // which the job has to outlast
                .pollInterval(Duration.ofMinutes(1))
                .handle(QueueFixture.MAIL, (context, payload) -> run(context)));
    awaitHandOver();
    withHandedOver((tx, id) -> worker.stop(Duration.ofSeconds(30)));
    start( // gives up who is not heard of, and looks for that more often than the one below
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue + "-none", 1)
            .lease(Duration.ofSeconds(1))
            .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done()));
    start(
        worker()
            .pollInterval(Duration.ofMillis(50))
            .handle(QueueFixture.MAIL, (context, payload) -> run(context)));
    QueueFixture.await(() -> done() == 1);
    assertThat(ran).hasSize(1);
  }
}
