package dev.pgbelay.jobqueue;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A JVM that works on the queues of {@link StormTest}. Its sessions have its name; what it has done
 * is in the table {@code effect}, with its attempt.
 */
final class StormProcess {
  /** The effect is written with {@code complete(tx)}. */
  static final JobKind<String> TOGETHER = JobKind.text("together");

  /** The effect is written in a transaction of its own. */
  static final JobKind<String> APART = JobKind.text("apart");

  static final Duration LEASE = Duration.ofSeconds(2);

  private static final Path LOGS = Path.of("target", "storm");

  private StormProcess() {}

  static Process start(String jdbcUrl, String name, String... queues) throws IOException {
    Files.createDirectories(LOGS);
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-Xmx192m",
            "-cp",
            System.getProperty("java.class.path"),
            StormProcess.class.getName(),
            jdbcUrl + "&ApplicationName=" + name,
            name,
            String.join(",", queues))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(LOGS.resolve(name + ".log").toFile()))
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .start();
  }

  public static void main(String[] args) throws Exception {
    HikariDataSource pool = QueueFixture.pool(args[0], 10);
    HikariDataSource heartbeats = QueueFixture.pool(args[0], 1);
    Transactions transactions = Transactions.of(pool);
    RetryPolicy soon = RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(200));
    JobWorkerBuilder builder =
        JobWorker.builder(transactions, heartbeats)
            .node(args[1])
            .lease(LEASE)
            .pollInterval(Duration.ofMillis(50))
            .handle(
                TOGETHER,
                soon,
                (context, payload) -> {
                  Thread.sleep(Long.parseLong(payload));
                  transactions.execute(
                      tx -> {
                        write(tx.dsl(), context);
                        context.complete(tx);
                      });
                  return JobOutcome.done();
                })
            .handle(
                APART,
                soon,
                (context, payload) -> {
                  Thread.sleep(Long.parseLong(payload));
                  transactions.execute(tx -> write(tx.dsl(), context));
                  return JobOutcome.done();
                });
    for (String queue : args[2].split(",", -1)) {
      builder.queue(queue, 4);
    }
    JobWorker worker = builder.build();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> worker.stop(Duration.ofSeconds(20))));
    worker.start();
    Thread.sleep(Duration.ofHours(1).toMillis());
  }

  private static void write(org.jooq.DSLContext dsl, JobContext context) {
    dsl.execute(
        "insert into effect (job_id, attempt) values (?, ?)", context.jobId(), context.attempt());
  }
}
