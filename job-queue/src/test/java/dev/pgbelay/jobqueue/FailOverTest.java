package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** What a worker bears that its server does not: fail-overs, and times when nothing is written. */
class FailOverTest {
  private static final String DONE =
      "select count(*) from pgbelay.job_finished where queue = ? and outcome = 'done'";

  private static String url(PostgresNode... nodes) {
    StringBuilder hosts = new StringBuilder();
    for (PostgresNode node : nodes) {
      hosts.append(hosts.isEmpty() ? "" : ",").append(node.address().getHostString());
      hosts.append(':').append(node.address().getPort());
    }
    String first = nodes[0].jdbcUrl("postgres");
    String options = first.substring(first.indexOf('?'));
    return "jdbc:postgresql://"
        + hosts
        + "/postgres"
        + options
        + "&targetServerType=primary&hostRecheckSeconds=1&connectTimeout=5";
  }

  /**
   * The promoted server has not seen the results of some jobs: to it they run, under a claim of a
   * worker that lives and has forgotten them.
   */
  @Test
  void failOverThatLosesResults_losesNoJobAndDoublesNoEffect() throws Exception {
    int total = 300;
    int held = 4;
    CountDownLatch begun = new CountDownLatch(held);
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger runs = new AtomicInteger();
    try (PostgresCluster cluster =
            PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
        HikariDataSource before = QueueFixture.pool(cluster.primary().jdbcUrl(), 2);
        HikariDataSource after = QueueFixture.pool(cluster.replica().jdbcUrl(), 2);
        HikariDataSource pool = QueueFixture.pool(url(cluster.primary(), cluster.replica()), 8);
        HikariDataSource beats = QueueFixture.pool(url(cluster.primary(), cluster.replica()), 1)) {
      QueueFixture.SCHEMA.initialize(before);
      QueueFixture first = new QueueFixture(before);
      Transactions transactions = Transactions.of(pool);
      JobWorker worker =
          JobWorker.builder(transactions, beats)
              .name(QueueFixture.freshName())
              .queue(first.queue, held)
              .lease(Duration.ofSeconds(5))
              .pollInterval(Duration.ofMillis(20))
              .handle(
                  QueueFixture.MAIL,
                  RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(50)),
                  (context, payload) -> {
                    runs.incrementAndGet();
                    if (payload.equals("hold")) {
                      begun.countDown();
                      go.await();
                    }
                    transactions.execute(
                        tx -> {
                          tx.dsl()
                              .execute("insert into effect (job_id) values (?)", context.jobId());
                          context.complete(tx);
                        });
                    return JobOutcome.done();
                  })
              .build();
      try {
        worker.start();
        first.transactions.execute(
            tx ->
                first.jobs.enqueueAll(tx, java.util.Collections.nCopies(held, first.mail("hold"))));
        begun.await();
        List<Long> ids = first.enqueue(total);
        cluster.replica().awaitCaughtUp();
        cluster.replica().upstreamProxy().orElseThrow().freeze();
        go.countDown();
        QueueFixture.await(() -> first.finished("done") > total / 2);
        cluster.primary().crash();
        cluster.replica().promote();

        QueueFixture then = new QueueFixture(after);
        QueueFixture.await(() -> then.count(DONE, first.queue) == held + total);
        assertThat(then.count("select count(*) from pgbelay.job where queue = ?", first.queue))
            .as("stuck")
            .isZero();
        assertThat(then.count("select count(*) from effect")).isEqualTo(held + total);
        assertThat(then.count("select count(distinct job_id) from effect")).isEqualTo(held + total);
        assertThat(
                then.count(
                    "select count(*) from effect where job_id = any (?)",
                    (Object) ids.toArray(Long[]::new)))
            .isEqualTo(total);
        assertThat(runs.get()).as("what was lost ran again").isGreaterThan(held + total);
        assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      } finally {
        go.countDown();
        worker.stop(Duration.ZERO);
      }
    }
  }

  /** As between a switch-over's two servers, or with a full disk. */
  @Test
  void timeInWhichNothingCanBeWritten_isOutlived() throws Exception {
    AtomicInteger runs = new AtomicInteger();
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource before = QueueFixture.pool(cluster.primary().jdbcUrl(), 2);
        HikariDataSource pool = QueueFixture.pool(cluster.primary().jdbcUrl(), 6);
        HikariDataSource beats = QueueFixture.pool(cluster.primary().jdbcUrl(), 1)) {
      QueueFixture.SCHEMA.initialize(before);
      QueueFixture fixture = new QueueFixture(before);
      JobWorker worker =
          JobWorker.builder(Transactions.of(pool), beats)
              .name(QueueFixture.freshName())
              .queue(fixture.queue, 4)
              .pollInterval(Duration.ofMillis(20))
              .meterRegistry(meters)
              .handle(
                  QueueFixture.MAIL,
                  (context, payload) -> {
                    if (runs.incrementAndGet() == 100) {
                      cluster.primary().configure("default_transaction_read_only", "on");
                    }
                    return JobOutcome.done();
                  })
              .build();
      try {
        fixture.enqueue(1_000);
        worker.start();
        QueueFixture.await(() -> failedPasses(meters) >= 5);
        cluster.primary().configure("default_transaction_read_only", "off");
        QueueFixture.await(() -> fixture.finished("done") == 1_000);
        assertThat(runs).hasValue(1_000);
        assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      } finally {
        worker.stop(Duration.ZERO);
      }
    }
  }

  private static long failedPasses(MeterRegistry meters) {
    return meters.find("pgbelay.background.pass").tag("outcome", "failed").timers().stream()
        .mapToLong(Timer::count)
        .sum();
  }
}
