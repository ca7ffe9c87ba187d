package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import javax.sql.DataSource;

/** The library with its default settings. */
final class PgbelayQueue implements QueueWay {
  private static final JobKind<String> NOOP = JobKind.text("noop");

  private final DataSource pool;
  private final Transactions transactions;
  private final JobQueue jobs = JobQueue.create();

  PgbelayQueue(DataSource pool) {
    this.pool = pool;
    this.transactions = Transactions.of(pool);
    SchemaInstaller.builder(pool).modules("jobqueue").build().install();
  }

  @Override
  public void reset() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(QueueSql.RESET_PGBELAY);
    }
  }

  @Override
  public void enqueue(List<String> payloads) {
    transactions.execute(tx -> jobs.enqueueAll(tx, payloads.stream().map(NOOP::job).toList()));
  }

  @Override
  public void enqueueOne(String payload) {
    transactions.execute(tx -> jobs.enqueue(tx, NOOP.job(payload)));
  }

  @Override
  public Workers work(Ran ran) {
    JobWorker worker =
        JobWorker.builder(transactions, pool)
            .handle(
                NOOP,
                (context, payload) -> {
                  ran.job(payload);
                  return JobOutcome.done();
                })
            .build();
    worker.start();
    return () -> worker.stop(Duration.ofSeconds(10));
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, QueueSql.LEFT_PGBELAY);
  }
}
