package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A JVM of 64 MiB that runs so many jobs and ends; a heap that is exhausted ends it otherwise. */
final class SmallJvm {
  private SmallJvm() {}

  /** Waits until it has run them, and ended well. */
  static void runJobs(String jdbcUrl, String queue, int jobs, int threads, int connections)
      throws Exception {
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
                jdbcUrl,
                queue,
                Integer.toString(jobs),
                Integer.toString(threads),
                Integer.toString(connections))
            .inheritIO()
            .start();
    try {
      assertThat(jvm.waitFor(5, TimeUnit.MINUTES)).isTrue();
    } finally {
      jvm.destroyForcibly();
    }
    assertThat(jvm.exitValue()).isZero();
  }

  public static void main(String[] args) throws Exception {
    CountDownLatch left = new CountDownLatch(Integer.parseInt(args[2]));
    try (HikariDataSource pool = QueueFixture.pool(args[0], Integer.parseInt(args[4]));
        HikariDataSource heartbeats = QueueFixture.pool(args[0], 1)) {
      JobWorker worker =
          JobWorker.builder(Transactions.of(pool), heartbeats)
              .queue(args[1], Integer.parseInt(args[3]))
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
