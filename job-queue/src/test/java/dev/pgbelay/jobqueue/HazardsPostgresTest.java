package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.jobqueue.inspect.Jobs;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Hazards that the guide lists, and that no other class is about. */
class HazardsPostgresTest {
  private static final long LARGE = 9_000_000_000_000_000L;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private JobWorkerBuilder worker(JobHandler<String> handler) {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 4)
        .pollInterval(Duration.ofMillis(20))
        .handle(
            QueueFixture.MAIL,
            RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(20)),
            handler);
  }

  /** The first page of the rescue, and some of the second, are being completed. */
  @Test
  void jobsThatAreBeingCompleted_hideNoOtherFromTheRescue() throws Exception {
    int all = 700;
    int locked = 600;
    fixture.enqueue(all);
    Hand dead = fixture.hand();
    assertThat(dead.claim(all)).hasSize(all);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session completing = script.session("completing");
      completing.run(
          c -> {
            try (var select =
                c.prepareStatement(
                    "select id from pgbelay.job where queue = ? order by id limit ? for update")) {
              select.setString(1, fixture.queue);
              select.setInt(2, locked);
              select.execute();
            }
          });
      dead.expire();
      workers.start(
          JobWorker.builder(fixture.transactions, workers.heartbeats())
              .name(QueueFixture.freshName())
              .queue(fixture.queue + "-none", 1)
              .lease(Duration.ofSeconds(1))
              .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done()));
      QueueFixture.await(() -> fixture.jobs("ready") == all - locked);
      assertThat(fixture.jobs("running")).isEqualTo(locked);
      completing.rollback();
    }
    QueueFixture.await(() -> fixture.jobs("ready") == all);
  }

  @Test
  void secondStopWithLessTime_endsTheFirst() throws Exception {
    fixture.enqueue(1);
    CountDownLatch begun = new CountDownLatch(1);
    JobWorker worker =
        workers.start(
            worker(
                (context, payload) -> {
                  begun.countDown();
                  new CountDownLatch(1).await();
                  return JobOutcome.done();
                }));
    begun.await();
    Thread patient = new Thread(() -> worker.stop(Duration.ofHours(1)));
    patient.start();
    QueueFixture.await(() -> patient.getState() == Thread.State.TIMED_WAITING);
    worker.stop(Duration.ZERO);
    QueueFixture.await(() -> !patient.isAlive());
    assertThat(fixture.finished("done")).isZero();
  }

  @Test
  void enqueueInAReadOnlyTransactionOrInAutocommit_isRefused() throws Exception {
    TxOptions readOnly = TxOptions.builder().readOnly(true).build();
    assertThatThrownBy(
            () ->
                fixture.transactions.run(
                    readOnly, tx -> fixture.jobs.enqueue(tx, fixture.mail("x"))))
        .isInstanceOf(RuntimeException.class);
    try (Connection connection = postgres.dataSource().getConnection()) {
      assertThatThrownBy(() -> fixture.jobs.enqueue(Tx.join(connection), fixture.mail("x")))
          .hasMessageContaining("autocommit");
    }
    assertThat(fixture.count("select count(*) from pgbelay.job where queue = ?", fixture.queue))
        .isZero();
  }

  /** Behind 2^31, and behind what a double can count. */
  @Test
  void idsBeyondAnInteger_goThroughEverything() {
    // Sessions that have drawn no ids yet: each keeps a hundred.
    try (HikariDataSource fresh = QueueFixture.pool(postgres.jdbcUrl(), 2)) {
      goThroughEverythingWith(Transactions.of(fresh));
    }
  }

  private void goThroughEverythingWith(Transactions enqueuing) {
    JobQueue handing = JobQueue.create();
    fixture.dsl.fetch(
        "select setval(pg_get_serial_sequence('pgbelay.job', 'id'), ?::bigint)", LARGE + 1);
    String later = fixture.queue + "-later";
    List<Long> ids =
        enqueuing.run(
            tx ->
                fixture.jobs.enqueueAll(
                    tx,
                    List.of(
                        fixture.mail("done"),
                        fixture.mail("complete"),
                        fixture.mail("dead").withMaxAttempts(1),
                        fixture.mail("done").withPartitionKey("k"),
                        fixture.mail("done").withPartitionKey("k"),
                        fixture.mail("done").withUniqueKey("u", UniqueScope.whileUnfinished()),
                        fixture.mail("later").withQueue(later).withDelay(Duration.ofHours(1)))));
    assertThat(ids).doesNotHaveDuplicates().allMatch(id -> id > LARGE);
    workers.start(
        worker(
                (context, payload) -> {
                  if (payload.equals("dead")) {
                    throw new IllegalStateException("down");
                  }
                  if (payload.equals("complete")) {
                    fixture.transactions.execute(context::complete);
                  }
                  return JobOutcome.done();
                })
            .wokenBy(handing));
    QueueFixture.await(() -> fixture.finished("done") == 5 && fixture.dead() == 1);
    for (int i = 1; i <= 20; i++) { // most of them are handed over
      enqueuing.execute(tx -> handing.enqueue(tx, fixture.mail("done")));
      int done = 5 + i;
      QueueFixture.await(() -> fixture.finished("done") == done);
    }
    long dead = ids.get(2);
    assertThat(
            DeadLetters.create()
                .listAll(fixture.dsl, Long.toString(dead - 1), 1)
                .jobs()
                .get(0)
                .id())
        .isEqualTo(dead);
    assertThat(Jobs.create().find(fixture.dsl, ids.get(0))).isPresent();
    JobQueue.Change cancelled =
        fixture.transactions.run(tx -> fixture.jobs.cancelWaiting(tx, ids.get(6), "not wanted"));
    assertThat(cancelled).isEqualTo(JobQueue.Change.DONE);
  }

  /** From Java 21 on. */
  @Test
  void handlersOnVirtualThreads_workTheJobsOff() throws Exception {
    Assumptions.assumeTrue(Runtime.version().feature() >= 21, "there are no virtual threads here");
    Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
    ThreadFactory virtual =
        (ThreadFactory)
            Class.forName("java.lang.Thread$Builder").getMethod("factory").invoke(builder);
    AtomicInteger ofVirtual = new AtomicInteger();
    fixture.enqueue(500);
    workers.start(
        worker(
                (context, payload) -> {
                  if (Boolean.TRUE.equals(
                      Thread.class.getMethod("isVirtual").invoke(Thread.currentThread()))) {
                    ofVirtual.incrementAndGet();
                  }
                  fixture.transactions.execute(context::complete);
                  return JobOutcome.done();
                })
            .threadFactory(virtual));
    QueueFixture.await(() -> fixture.finished("done") == 500);
    assertThat(ofVirtual).hasValue(500);
  }
}
