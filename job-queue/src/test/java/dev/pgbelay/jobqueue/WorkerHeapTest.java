package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A worker with default settings in a JVM whose whole heap has 64 MiB, in front of a backlog. */
class WorkerHeapTest {
  private static final int DUE = QueueFixture.FULL ? 1_000_000 : 200_000;
  private static final int TO_RUN = DUE / 10;
  private static final int PAYLOAD = 200;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  /** Runs so many jobs and ends; a heap that is exhausted ends it otherwise. */
  static final class SmallJvm {
    private SmallJvm() {}

    public static void main(String[] args) throws Exception {
      CountDownLatch left = new CountDownLatch(Integer.parseInt(args[2]));
      try (HikariDataSource pool = QueueFixture.pool(args[0], 6);
          HikariDataSource heartbeats = QueueFixture.pool(args[0], 1)) {
        JobWorker worker =
            JobWorker.builder(Transactions.of(pool), heartbeats)
                .queue(args[1], 16)
                .handle(
                    QueueFixture.MAIL,
                    (context, payload) -> {
                      left.countDown();
                      return JobOutcome.done();
                    })
                .build();
        worker.start();
        left.await();
        System.exit(worker.stop(Duration.ofSeconds(60)).isClean() ? 0 : 4);
      }
    }
  }

  @Test
  void backlog_isWorkedOffWithin64MiB() throws Exception {
    fixture.dsl.execute(
        "insert into pgbelay.job (queue, kind, state, place, max_attempts, payload)"
            + " select ?, 'mail', 'ready', i, 3, convert_to(repeat('x', ?), 'UTF8')"
            + " from generate_series(1, ?) i",
        fixture.queue,
        PAYLOAD,
        DUE);
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:+ExitOnOutOfMemoryError",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                System.getProperty("java.class.path"),
                SmallJvm.class.getName(),
                postgres.jdbcUrl(),
                fixture.queue,
                Integer.toString(TO_RUN))
            .inheritIO()
            .start();
    try {
      assertThat(jvm.waitFor(5, TimeUnit.MINUTES)).isTrue();
    } finally {
      jvm.destroyForcibly();
    }
    assertThat(jvm.exitValue()).isZero();
    assertThat(fixture.finished("done")).isBetween(TO_RUN, DUE);
    assertThat(fixture.jobs("running")).isZero();
    assertThat(fixture.finished("done") + fixture.jobs("ready")).isEqualTo(DUE);
  }
}
