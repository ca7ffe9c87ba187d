package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.internal.PollPace;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Workers that are told of the commits of others. */
class WakeUpsOfWorkersPostgresTest {
  private static final Duration SELDOM = Duration.ofMinutes(1);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final List<AutoCloseable> opened = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  private HikariDataSource pool(String url) {
    HikariDataSource pool = QueueFixture.pool(url, 2);
    opened.add(pool);
    return pool;
  }

  private WakeUps wakeUps(String url) {
    WakeUps wakeUps =
        WakeUps.builder(pool(url))
            .channel(fixture.queue)
            .probeInterval(Duration.ofSeconds(1))
            .probeTimeout(Duration.ofSeconds(5))
            .build();
    opened.add(wakeUps);
    wakeUps.start();
    return wakeUps;
  }

  private JobWorker start(JobWorkerBuilder builder) {
    JobWorker worker = builder.build();
    opened.add(() -> worker.stop(Duration.ZERO));
    worker.start();
    return worker;
  }

  private JobWorkerBuilder worker(String url, String... queues) {
    JobWorkerBuilder builder =
        JobWorker.builder(fixture.transactions, pool(url))
            .name(QueueFixture.freshName())
            .meterRegistry(meters)
            .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done());
    for (String queue : queues) {
      builder.queue(queue, 2);
    }
    return builder;
  }

  @Test
  void commitOfAnotherProcess_wakesTheWorker() {
    WakeUps there = wakeUps(postgres.jdbcUrl());
    List<String> heard = new CopyOnWriteArrayList<>();
    there.addListener(heard::add);
    start(worker(postgres.jdbcUrl(), fixture.queue).pollInterval(SELDOM).wokenBy(there));
    QueueFixture.await(there::isHealthy);
    JobQueue enqueuing = JobQueue.builder().announcedBy(wakeUps(postgres.jdbcUrl())).build();
    fixture.transactions.execute(tx -> enqueuing.enqueue(tx, fixture.mail("x")));
    QueueFixture.await(() -> fixture.finished("done") == 1 && heard.contains(fixture.queue));
    fixture.transactions.execute(
        tx -> enqueuing.enqueueAll(tx, List.of(fixture.mail("y"), fixture.mail("z"))));
    QueueFixture.await(() -> fixture.finished("done") == 3);
  }

  @Test
  void rolledBackEnqueue_announcesNothing() {
    WakeUps here = wakeUps(postgres.jdbcUrl());
    List<String> heard = new CopyOnWriteArrayList<>();
    here.addListener(heard::add);
    QueueFixture.await(here::isHealthy);
    JobQueue enqueuing = JobQueue.builder().announcedBy(here).build();
    String rolledBack = fixture.queue + "-rolled-back";
    try {
      fixture.transactions.execute(
          tx -> {
            enqueuing.enqueue(tx, fixture.mail("x").withQueue(rolledBack));
            throw new IllegalStateException("business");
          });
    } catch (IllegalStateException expected) {
      assertThat(expected).hasMessage("business");
    }
    fixture.transactions.execute(tx -> enqueuing.enqueue(tx, fixture.mail("y")));
    QueueFixture.await(() -> heard.contains(fixture.queue));
    assertThat(heard).doesNotContain(rolledBack);
  }

  /** Who is told too early looks in vain, and is not told again. */
  @Test
  void enqueue_isAnnouncedAfterItsCommitAndNotBefore() {
    WakeUps here = wakeUps(postgres.jdbcUrl());
    List<String> heard = new CopyOnWriteArrayList<>();
    here.addListener(heard::add);
    QueueFixture.await(here::isHealthy);
    JobQueue enqueuing = JobQueue.builder().announcedBy(here).build();
    List<String> queues = List.of("-one", "-bulk", "-full");
    fixture.transactions.execute(
        tx -> {
          enqueuing.enqueue(tx, fixture.mail("x").withQueue(fixture.queue + "-one"));
          enqueuing.enqueueAll(
              tx, Collections.nCopies(3, fixture.mail("x").withQueue(fixture.queue + "-bulk")));
          enqueuing.offer(
              tx, fixture.mail("x").withQueue(fixture.queue + "-full").withPartitionKey("k"));
          for (int i = 0; i < 2; i++) {
            String sentinel = fixture.queue + "-sentinel-" + i;
            here.announce(sentinel);
            QueueFixture.await(() -> heard.contains(sentinel));
          }
          assertThat(heard).noneMatch(topic -> queues.stream().anyMatch(topic::endsWith));
          assertThat(heard).doesNotContain(WorkerAlarm.ALL_KEYS);
        });
    QueueFixture.await(
        () ->
            queues.stream().allMatch(queue -> heard.contains(fixture.queue + queue))
                && heard.contains(WorkerAlarm.ALL_KEYS));
  }

  /** The worker looks before the commit, in vain; after it, it must be told. */
  @Test
  void workerOfTheSameProcess_isToldAfterTheCommit() {
    JobWorker worker =
        start(
            worker(postgres.jdbcUrl(), fixture.queue)
                .name("early")
                .pollInterval(SELDOM)
                .wokenBy(fixture.jobs));
    fixture.transactions.execute(
        tx -> {
          fixture.jobs.enqueueAll(tx, Collections.nCopies(3, fixture.mail("x")));
          long before = idlePasses();
          worker.wakeUp();
          QueueFixture.await(() -> idlePasses() > before);
          awaitQuiet();
        });
    Awaitility.await() // much less than the pause between two looks
        .atMost(Duration.ofSeconds(40))
        .until(() -> fixture.finished("done") == 3);
  }

  /** Until it has looked as often as it was told to. */
  private void awaitQuiet() {
    long[] last = {-1};
    Awaitility.await()
        .pollInterval(Duration.ofMillis(200))
        .until(
            () -> {
              long now = idlePasses();
              boolean quiet = now == last[0];
              last[0] = now;
              return quiet;
            });
  }

  private long idlePasses() {
    return meters
        .get("pgbelay.background.pass")
        .tag("name", "jobs-early-claim-1")
        .tag("outcome", "idle")
        .timer()
        .count();
  }

  /** One process makes ready what falls due for the queues of all. */
  @Test
  void jobThatFallsDue_wakesTheWorkerOfAnotherProcessToo() {
    String other = fixture.queue + "-other";
    WakeUps there = wakeUps(postgres.jdbcUrl());
    List<String> heard = new CopyOnWriteArrayList<>();
    there.addListener(heard::add);
    start(worker(postgres.jdbcUrl(), fixture.queue).pollInterval(SELDOM).wokenBy(there));
    QueueFixture.await(there::isHealthy);
    fixture.enqueue(fixture.mail("x").withDelay(Duration.ofMillis(100)));
    start(
        worker(postgres.jdbcUrl(), other)
            .pollInterval(Duration.ofMillis(50))
            .wokenBy(wakeUps(postgres.jdbcUrl())));
    QueueFixture.await(() -> fixture.finished("done") == 1 && heard.contains("*"));
  }

  /** Behind a pooler nothing is heard, and everything is done. */
  @Test
  void behindAPooler_pollingIsEnough() {
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 8)) {
      String url = bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0";
      WakeUps deaf = wakeUps(url);
      start(worker(url, fixture.queue).pollInterval(Duration.ofMillis(50)).wokenBy(deaf));
      JobQueue enqueuing = JobQueue.builder().announcedBy(deaf).build();
      for (int i = 1; i <= 3; i++) {
        fixture.transactions.execute(tx -> enqueuing.enqueue(tx, fixture.mail("x")));
        int done = i;
        QueueFixture.await(() -> fixture.finished("done") == done);
      }
      assertThat(deaf.isHealthy()).isFalse();
    }
  }

  @Test
  void pace_isSlowWhileNotificationsArriveAndUsualOtherwise() {
    WakeUps heard = wakeUps(postgres.jdbcUrl());
    PollPace pace = new PollPace(Duration.ofSeconds(1), heard);
    QueueFixture.await(heard::isHealthy);
    assertThat(pace.now()).isEqualTo(Duration.ofSeconds(10));
    heard.close();
    assertThat(pace.now()).isEqualTo(Duration.ofSeconds(1));
    assertThat(new PollPace(Duration.ofSeconds(1), null).longest())
        .isEqualTo(Duration.ofSeconds(1));
    assertThat(new PollPace(Duration.ofSeconds(30), heard).longest())
        .isEqualTo(Duration.ofMinutes(1));
    assertThat(new PollPace(Duration.ofMillis(10), heard).first()).isEqualTo(Duration.ofMillis(10));
  }
}
