package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.awaitility.Awaitility;
import org.jooq.Record;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Limits and serial keys while worker processes are killed, stopped and cut off. */
class LimitsUnderFaultsTest {
  private static final int OF_QUEUE = 6;
  private static final int OF_KEY = 2;
  private static final int KEYS = 12;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final QueueControl control = QueueControl.create();

  private int samples;
  private int most;
  private int mostOfKey;

  private void enqueue(String queue, int count) {
    List<NewJob<String>> jobs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      jobs.add(
          QueueFixture.MAIL
              .job("x")
              .withQueue(queue)
              .withPartitionKey("k" + i % KEYS)
              .withMaxAttempts(1_000));
    }
    fixture.transactions.execute(tx -> fixture.jobs.enqueueAll(tx, jobs));
  }

  /** What is claimed validly at one moment, in one statement and so in one snapshot. */
  private void sample(String queue) {
    Record row =
        fixture.dsl.fetchSingle(
            "select count(*)::int as running, coalesce(max(of_key), 0)::int as of_key from ("
                + "select count(*) over (partition by partition_key) as of_key from pgbelay.job"
                + " where queue = ? and state = 'running') as claimed",
            queue);
    most = Math.max(most, row.get("running", Integer.class));
    mostOfKey = Math.max(mostOfKey, row.get("of_key", Integer.class));
    samples++;
  }

  private int done(String queue) {
    return fixture.count(
        "select count(*) from pgbelay.job_finished where queue = ? and outcome = 'done'", queue);
  }

  /** Until so many are done, sampling all the time. */
  private void awaitDone(String queue, int count) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(4))
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(2))
        .ignoreExceptions()
        .until(
            () -> {
              sample(queue);
              return done(queue) >= count;
            });
  }

  @Test
  void limitsOfQueueAndKey_areNeverExceededAndEverythingGetsDone() throws Exception {
    control(fixture.queue, Limits.none().withRunning(OF_QUEUE).withPerKey(OF_KEY));
    run(fixture.queue, OF_QUEUE, OF_KEY);
  }

  @Test
  void serialKeys_areNeverExceededAndEverythingGetsDone() throws Exception {
    run(fixture.queue, KEYS, 1);
  }

  private void control(String queue, Limits limits) {
    fixture.transactions.execute(tx -> control.limitQueue(tx, queue, limits));
  }

  private void run(String queue, int ofQueue, int ofKey) throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("limits under faults -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    int total = QueueFixture.FULL ? 5_000 : 300;
    int rounds = QueueFixture.FULL ? 8 : 1;
    enqueue(queue, total);
    List<Process> all = new ArrayList<>();
    try {
      for (int round = 1; round <= rounds; round++) {
        Process killed = start(queue);
        Process stopped = start(queue);
        all.add(killed);
        all.add(stopped);
        int before = done(queue);
        int share = (total - before) / (rounds + 2 - round);
        awaitDone(queue, before + share / 2);
        signal(killed, "-KILL");
        signal(stopped, "-STOP");
        if (random.nextBoolean()) {
          fixture.dsl.execute(
              "select pg_terminate_backend(pid) from pg_stat_activity"
                  + " where application_name = 'limited'"
                  + " and random() < 0.3");
        }
        Process well = start(queue);
        all.add(well);
        awaitDone(queue, before + share);
        signal(stopped, "-CONT");
      }
      awaitDone(queue, total);
    } finally {
      for (Process process : all) {
        process.destroyForcibly().waitFor();
      }
    }
    assertThat(most).isLessThanOrEqualTo(ofQueue);
    assertThat(mostOfKey).isLessThanOrEqualTo(ofKey);
    assertThat(done(queue)).isEqualTo(total);
    assertThat(
            fixture.count(
                "select count(*) from (select e.job_id from effect as e join pgbelay.job_finished"
                    + " as f on f.id = e.job_id where f.queue = ? group by e.job_id"
                    + " having count(*) = 1) as once",
                queue))
        .as("exactly one effect of each job")
        .isEqualTo(total);
    assertThat(
            fixture.count("select count(*) from pgbelay.job where queue = ?", queue)
                + fixture.count("select count(*) from pgbelay.job_dead where queue = ?", queue))
        .isZero();
    System.out.println(
        total
            + " jobs, "
            + samples
            + " samples, at most "
            + most
            + " claimed at once, of one key "
            + mostOfKey);
  }

  private static Process start(String queue) throws Exception {
    return WorkerProcess.start(
        postgres.jdbcUrl() + "&ApplicationName=limited", queue, Duration.ofMillis(3));
  }

  private static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }
}
