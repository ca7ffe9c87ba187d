package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Keys and limits behind PgBouncer in transaction mode, where each transaction may have another
 * session: with fewer sessions than the workers have connections.
 */
class PoolerLimitsTest {
  private static final int KEYS = 8;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final Map<String, AtomicInteger> running = new ConcurrentHashMap<>();
  private final Map<String, AtomicInteger> most = new ConcurrentHashMap<>();

  private void count(String what, int change) {
    int now = running.computeIfAbsent(what, any -> new AtomicInteger()).addAndGet(change);
    most.computeIfAbsent(what, any -> new AtomicInteger()).accumulateAndGet(now, Math::max);
  }

  private JobWorkerBuilder worker(Transactions own, HikariDataSource beats) {
    return JobWorker.builder(own, beats)
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 4)
        .pollInterval(Duration.ofMillis(20))
        .handle(
            QueueFixture.MAIL,
            (context, payload) -> {
              count("all", 1);
              count(payload, 1);
              Thread.sleep(2);
              count(payload, -1);
              count("all", -1);
              own.execute(
                  tx -> {
                    tx.dsl().execute("insert into effect (job_id) values (?)", context.jobId());
                    context.complete(tx);
                  });
              return JobOutcome.done();
            });
  }

  @Test
  void keysLimitsAndUniqueKeys_holdBehindAPooler() {
    int total = 120;
    WriteAudit audit = WriteAudit.install(fixture.dsl);
    fixture.transactions.execute(
        tx -> QueueControl.create().limitQueue(tx, fixture.queue, Limits.none().withRunning(3)));
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 3)) {
      String url = bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0";
      try (HikariDataSource pool = QueueFixture.pool(url, 10);
          HikariDataSource beats = QueueFixture.pool(url, 2)) {
        Transactions own = Transactions.of(pool);
        for (int twice = 0; twice < 2; twice++) {
          List<NewJob<String>> jobs = new ArrayList<>();
          for (int i = 0; i < total; i++) {
            jobs.add(
                fixture
                    .mail("k" + i % KEYS)
                    .withPartitionKey("k" + i % KEYS)
                    .withUniqueKey("u" + i, UniqueScope.forPeriod(Duration.ofHours(1))));
          }
          own.run(tx -> fixture.jobs.offerAll(tx, jobs));
        }
        JobWorker first = worker(own, beats).build();
        JobWorker second = worker(own, beats).build();
        try {
          first.start();
          second.start();
          QueueFixture.await(() -> fixture.finished("done") == total);
          assertThat(first.stop(Duration.ofSeconds(10)).isClean()).isTrue();
          assertThat(second.stop(Duration.ofSeconds(10)).isClean()).isTrue();
        } finally {
          first.stop(Duration.ZERO);
          second.stop(Duration.ZERO);
        }
      }
    }
    assertThat(audit.brokenLimits()).isEmpty();
    assertThat(fixture.count("select count(*) from effect")).isEqualTo(total);
    assertThat(most.remove("all")).hasValueBetween(1, 3);
    assertThat(most).hasSize(KEYS);
    assertThat(most.values()).allSatisfy(ofKey -> assertThat(ofKey).hasValue(1));
  }
}
