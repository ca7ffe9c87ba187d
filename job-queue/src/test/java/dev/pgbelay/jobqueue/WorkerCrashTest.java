package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Workers that are stopped or killed, and connections that are cut. */
class WorkerCrashTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

  private JobWorkerBuilder worker(Transactions transactions, HikariDataSource heartbeats) {
    return JobWorker.builder(transactions, heartbeats)
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 4)
        .lease(Duration.ofSeconds(1))
        .pollInterval(Duration.ofMillis(20))
        .meterRegistry(meters);
  }

  private FaultProxy proxy() {
    return FaultProxy.inFrontOf(postgres.database().cluster().primary());
  }

  private int effectsOf(long job) {
    return fixture.count("select count(*) from effect where job_id = ?", job);
  }

  private double count(String meter) {
    return meters.get(meter).counter().count();
  }

  /** Half-open connections: the worker's database is silent for longer than the lease. */
  @Test
  void workerThatIsCutOffPastItsLease_isReplacedAndItsLateWriteChangesNothing() throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger late = new AtomicInteger();
    try (FaultProxy proxy = proxy();
        HikariDataSource cutOff = QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 4);
        HikariDataSource ownBeats =
            QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 1);
        HikariDataSource otherBeats = QueueFixture.pool(postgres.jdbcUrl(), 1)) {
      Transactions own = Transactions.of(cutOff);
      JobWorker first =
          worker(own, ownBeats)
              .handle(
                  QueueFixture.MAIL,
                  (context, payload) -> {
                    begun.countDown();
                    go.await();
                    try {
                      own.execute(
                          tx -> {
                            tx.dsl()
                                .execute("insert into effect (job_id) values (?)", context.jobId());
                            context.complete(tx);
                          });
                    } catch (LeaseLostException e) {
                      late.incrementAndGet();
                    }
                    return JobOutcome.done();
                  })
              .build();
      first.start();
      begun.await();
      proxy.freeze();
      JobWorker second =
          worker(fixture.transactions, otherBeats)
              .handle(
                  QueueFixture.MAIL,
                  (context, payload) -> {
                    fixture.transactions.execute(
                        tx -> {
                          tx.dsl()
                              .execute("insert into effect (job_id) values (?)", context.jobId());
                          context.complete(tx);
                        });
                    return JobOutcome.done();
                  })
              .build();
      second.start();
      QueueFixture.await(() -> fixture.finished("done") == 1);
      assertThat(effectsOf(id)).isEqualTo(1);
      second.stop(Duration.ofSeconds(5));
      proxy.thaw();
      go.countDown();
      QueueFixture.await(() -> late.get() == 1);
      QueueFixture.await(() -> count("pgbelay.jobqueue.stale") >= 1);
      QueueFixture.await(() -> count("pgbelay.jobqueue.worker.lost") >= 1);
      assertThat(effectsOf(id)).isEqualTo(1);
      fixture.enqueue(fixture.mail("next"));
      QueueFixture.await(() -> fixture.finished("done") == 2);
      first.stop(Duration.ofSeconds(5));
    }
  }

  @Test
  void processesThatAreKilledOrStoppedPastTheirLease_loseNoJobAndDoubleNoEffect() throws Exception {
    int total = QueueFixture.FULL ? 20_000 : 1_000;
    List<Long> ids = fixture.enqueue(total);
    Process killed = WorkerProcess.start(postgres.jdbcUrl(), fixture.queue);
    Process stopped = WorkerProcess.start(postgres.jdbcUrl(), fixture.queue);
    Process well = null;
    try {
      QueueFixture.await(() -> fixture.finished("done") > total / 20);
      signal(killed, "-KILL");
      signal(stopped, "-STOP");
      System.out.println(
          "the process that was killed and the one that was stopped held "
              + fixture.jobs("running")
              + " jobs");
      well = WorkerProcess.start(postgres.jdbcUrl(), fixture.queue);
      QueueFixture.await(() -> fixture.finished("done") == total);
      signal(stopped, "-CONT");
      fixture.enqueue(100);
      QueueFixture.await(() -> fixture.finished("done") == total + 100);
      Long[] all = ids.toArray(Long[]::new);
      assertThat(
              fixture.count(
                  "select count(*) from (select job_id from effect where job_id = any (?)"
                      + " group by job_id having count(*) = 1) as once",
                  (Object) all))
          .as("exactly one effect of each job")
          .isEqualTo(total);
      assertThat(fixture.count("select count(*) from effect where job_id = any (?)", (Object) all))
          .isEqualTo(total);
      assertThat(fixture.jobs("running") + fixture.jobs("ready") + fixture.dead()).isZero();
    } finally {
      for (Process process : new Process[] {killed, stopped, well}) {
        if (process != null) {
          process.destroyForcibly().waitFor();
        }
      }
    }
  }

  private static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }

  @Test
  void enqueueCutAtCommit_isThereOrNotAndSaidToBeUnknown() {
    try (FaultProxy proxy = proxy();
        HikariDataSource pool = QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 2)) {
      Transactions cut = Transactions.of(pool);
      cut.execute(tx -> tx.dsl().execute("select 1"));
      for (boolean after : new boolean[] {false, true}) {
        if (after) {
          proxy.cutAfterCommit(1);
        } else {
          proxy.cutBeforeCommit(1);
        }
        int before = fixture.jobs("ready");
        org.assertj.core.api.Assertions.assertThatThrownBy(
                () -> cut.run(tx -> fixture.jobs.enqueue(tx, fixture.mail("x"))))
            .isInstanceOf(OutcomeUnknownException.class);
        assertThat(fixture.jobs("ready") - before).isEqualTo(after ? 1 : 0);
      }
    }
  }

  /** Claims, results and registrations of a worker whose COMMITs are cut at random. */
  @Test
  void commitsCutAtRandom_loseNoJobAndDoubleNoEffect() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("commitsCutAtRandom -Dpgbelay.seed=" + seed);
    int total = QueueFixture.FULL ? 20_000 : 600;
    Set<Long> ran = ConcurrentHashMap.newKeySet();
    AtomicInteger runs = new AtomicInteger();
    try (FaultProxy proxy = proxy();
        HikariDataSource pool = QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 8);
        HikariDataSource beats = QueueFixture.pool(postgres.jdbcUrl(), 1)) {
      Transactions cut = Transactions.of(pool);
      JobWorker worker =
          worker(cut, beats)
              .lease(Duration.ofSeconds(30))
              .handle(
                  QueueFixture.MAIL,
                  RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(50)),
                  (context, payload) -> {
                    runs.incrementAndGet();
                    ran.add(context.jobId());
                    if (context.jobId() % 3 == 0) {
                      cut.execute(
                          tx -> {
                            tx.dsl()
                                .execute("insert into effect (job_id) values (?)", context.jobId());
                            context.complete(tx);
                          });
                    }
                    return JobOutcome.done();
                  })
              .build();
      List<Long> ids = fixture.enqueue(total);
      proxy.cutCommitsAtRandom(seed, 0.05, 0.05);
      worker.start();
      QueueFixture.await(() -> fixture.finished("done") == total);
      proxy.heal();
      assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      assertThat(ran).containsAll(ids);
      assertThat(fixture.jobs("running") + fixture.jobs("ready") + fixture.dead()).isZero();
      for (long id : ids) {
        if (id % 3 == 0) {
          assertThat(effectsOf(id)).as("effects of job %s", id).isEqualTo(1);
        }
      }
      FaultProxy.Counters counters = proxy.counters();
      assertThat(counters.cutsBeforeCommit() + counters.cutsAfterCommit()).isPositive();
      System.out.println(
          total
              + " jobs, "
              + runs
              + " runs, cuts before COMMIT "
              + counters.cutsBeforeCommit()
              + ", after "
              + counters.cutsAfterCommit()
              + ", stale "
              + count("pgbelay.jobqueue.stale")
              + ", rescued "
              + count("pgbelay.jobqueue.rescued"));
      assertThat(count("pgbelay.jobqueue.rescued")).as("nobody died").isZero();
      assertThat(count("pgbelay.jobqueue.stale")).as("nobody else was there").isZero();
    }
  }

  @Test
  void backendsThatAreTerminated_costFailedPassesOnly() throws Exception {
    int total = 1_000;
    AtomicInteger runs = new AtomicInteger();
    try (HikariDataSource pool =
            QueueFixture.pool(postgres.jdbcUrl() + "&ApplicationName=victim", 6);
        HikariDataSource beats =
            QueueFixture.pool(postgres.jdbcUrl() + "&ApplicationName=victim", 1)) {
      JobWorker worker =
          worker(Transactions.of(pool), beats)
              .handle(
                  QueueFixture.MAIL,
                  (context, payload) -> {
                    if (runs.incrementAndGet() % 100 == 0) {
                      fixture.dsl.execute(
                          "select pg_terminate_backend(pid) from pg_stat_activity"
                              + " where application_name = 'victim'");
                    }
                    return JobOutcome.done();
                  })
              .build();
      fixture.enqueue(total);
      worker.start();
      QueueFixture.await(() -> fixture.finished("done") == total);
      assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      assertThat(runs.get()).isGreaterThanOrEqualTo(total);
    }
  }

  @Test
  void serverCrash_losesNoJobAndDoublesNoEffect() throws Exception {
    int total = 1_000;
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = QueueFixture.pool(cluster.primary().jdbcUrl(), 6);
        HikariDataSource beats = QueueFixture.pool(cluster.primary().jdbcUrl(), 1)) {
      QueueFixture.SCHEMA.initialize(pool);
      QueueFixture own = new QueueFixture(pool);
      JobWorker worker =
          JobWorker.builder(own.transactions, beats)
              .name(QueueFixture.freshName())
              .queue(own.queue, 4)
              .pollInterval(Duration.ofMillis(20))
              .handle(
                  QueueFixture.MAIL,
                  RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(50)),
                  (context, payload) -> {
                    own.transactions.execute(
                        tx -> {
                          tx.dsl()
                              .execute("insert into effect (job_id) values (?)", context.jobId());
                          context.complete(tx);
                        });
                    return JobOutcome.done();
                  })
              .build();
      own.enqueue(total);
      worker.start();
      QueueFixture.await(() -> own.finished("done") > total / 10);
      cluster.primary().crash();
      cluster.primary().restart();
      pool.getHikariPoolMXBean().softEvictConnections();
      QueueFixture.await(() -> own.finished("done") == total);
      assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      assertThat(own.count("select count(*) from effect")).isEqualTo(total);
      assertThat(own.count("select count(distinct job_id) from effect")).isEqualTo(total);
      assertThat(own.jobs("running") + own.jobs("ready") + own.dead()).isZero();
    }
  }

  @Test
  void throughPgBouncerInTransactionMode_jobsAreWorkedOff() throws Exception {
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 3)) {
      String url = bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0";
      try (HikariDataSource pool = QueueFixture.pool(url, 8);
          HikariDataSource beats = QueueFixture.pool(url, 1)) {
        Transactions own = Transactions.of(pool);
        AtomicInteger runs = new AtomicInteger();
        JobWorker worker =
            worker(own, beats)
                .handle(
                    QueueFixture.MAIL,
                    (context, payload) -> {
                      runs.incrementAndGet();
                      own.execute(context::complete);
                      return JobOutcome.done();
                    })
                .build();
        own.run(
            tx ->
                fixture.jobs.enqueueAll(tx, java.util.Collections.nCopies(500, fixture.mail("x"))));
        worker.start();
        QueueFixture.await(() -> fixture.finished("done") == 500);
        assertThat(runs).hasValue(500);
        assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      }
    }
  }

  /** Kept apart: the pool of the work has one connection, and a handler holds it. */
  @Test
  void exhaustedPool_doesNotCostTheLease() throws Exception {
    fixture.enqueue(1);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    try (HikariDataSource pool = QueueFixture.pool(postgres.jdbcUrl(), 1);
        HikariDataSource beats = QueueFixture.pool(postgres.jdbcUrl(), 1)) {
      Transactions own = Transactions.of(pool);
      JobWorker worker =
          worker(own, beats)
              .handle(
                  QueueFixture.MAIL,
                  (context, payload) -> {
                    own.execute(
                        tx -> {
                          context.complete(tx);
                          begun.countDown();
                          go.await();
                        });
                    return JobOutcome.done();
                  })
              .build();
      worker.start();
      begun.await();
      String before =
          String.valueOf(fixture.dsl.fetchValue("select max(expires_at) from pgbelay.job_worker"));
      QueueFixture.await(
          () ->
              Boolean.TRUE.equals(
                  fixture.dsl.fetchValue(
                      "select max(expires_at) > ?::timestamptz + interval '900 ms'"
                          + " from pgbelay.job_worker",
                      before)));
      go.countDown();
      QueueFixture.await(() -> fixture.finished("done") == 1);
      assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    }
  }
}
