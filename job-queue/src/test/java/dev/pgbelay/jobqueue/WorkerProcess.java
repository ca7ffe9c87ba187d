package dev.pgbelay.jobqueue;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** A JVM that works on a queue until it is killed; each job takes as long as is said. */
final class WorkerProcess {
  private WorkerProcess() {}

  static Process start(String jdbcUrl, String queue, Duration... work) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-Xmx128m",
            "-cp",
            System.getProperty("java.class.path"),
            WorkerProcess.class.getName(),
            jdbcUrl,
            queue,
            work.length == 0 ? "0" : Long.toString(work[0].toMillis()))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  public static void main(String[] args) throws Exception {
    HikariDataSource pool = QueueFixture.pool(args[0], 6);
    HikariDataSource heartbeats = QueueFixture.pool(args[0], 1);
    Transactions transactions = Transactions.of(pool);
    JobWorker worker =
        JobWorker.builder(transactions, heartbeats)
            .queue(args[1], 4)
            .lease(Duration.ofSeconds(1))
            .pollInterval(Duration.ofMillis(50))
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  Thread.sleep(Long.parseLong(args[2]));
                  transactions.execute(
                      tx -> {
                        tx.dsl().execute("insert into effect (job_id) values (?)", context.jobId());
                        context.complete(tx);
                      });
                  return JobOutcome.done();
                })
            .build();
    worker.start();
    Thread.sleep(Duration.ofMinutes(10).toMillis());
  }
}
