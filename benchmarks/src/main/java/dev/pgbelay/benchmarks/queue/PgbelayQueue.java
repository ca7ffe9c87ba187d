package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Counts;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.permit.Permits;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import javax.sql.DataSource;

/** The library with its default settings, and perhaps something that keeps its jobs in order. */
final class PgbelayQueue implements QueueWay {
  private static final JobKind<String> NOOP = JobKind.text("noop");
  private static final int KEYS = 1_000;

  /** What there is besides the default settings. */
  enum With {
    NOTHING,
    /** Each job has one of a thousand partition keys. */
    KEYS,
    /** The queue has a limit, though one that is not reached. */
    LIMIT,
    /** The kind has a circuit breaker, which stays closed. */
    PERMIT
  }

  private final DataSource pool;
  private final Transactions transactions;
  private final JobQueue jobs = JobQueue.create();

  private final With with;
  private final boolean inTransaction;

  PgbelayQueue(DataSource pool) {
    this(pool, With.NOTHING, false);
  }

  PgbelayQueue(DataSource pool, With with) {
    this(pool, with, false);
  }

  /** Enqueues one job as in a business transaction, not by itself. */
  static PgbelayQueue inTransaction(DataSource pool) {
    return new PgbelayQueue(pool, With.NOTHING, true);
  }

  private PgbelayQueue(DataSource pool, With with, boolean inTransaction) {
    this.pool = pool;
    this.with = with;
    this.inTransaction = inTransaction;
    this.transactions = Transactions.of(pool);
    SchemaInstaller.builder(pool).modules("jobqueue").build().install();
  }

  @Override
  public void reset() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(QueueSql.RESET_PGBELAY);
    }
    if (with == With.LIMIT) {
      transactions.execute(
          tx ->
              QueueControl.create()
                  .limitQueue(tx, NewJob.DEFAULT_QUEUE, Limits.none().withRunning(10_000)));
    }
  }

  @Override
  public void enqueue(List<String> payloads) {
    transactions.execute(tx -> jobs.enqueueAll(tx, payloads.stream().map(this::job).toList()));
  }

  @Override
  public void enqueueOne(String payload) {
    if (inTransaction) {
      transactions.execute(tx -> jobs.enqueue(tx, job(payload)));
    } else {
      jobs.enqueue(transactions, job(payload));
    }
  }

  private NewJob<String> job(String payload) {
    NewJob<String> job = NOOP.job(payload);
    return with == With.KEYS
        ? job.withPartitionKey(Long.toString(Long.parseLong(payload) % KEYS))
        : job;
  }

  @Override
  public Workers work(Ran ran) {
    JobWorkerBuilder builder =
        JobWorker.builder(transactions, pool)
            .handle(
                NOOP,
                (context, payload) -> {
                  ran.job(payload);
                  return JobOutcome.done();
                });
    if (with == With.PERMIT) {
      builder.permit(NOOP, Permits.byBreaker(CircuitBreaker.ofDefaults("bench")));
    }
    JobWorker worker = builder.build();
    worker.start();
    return () -> worker.stop(Duration.ofSeconds(10));
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, QueueSql.LEFT_PGBELAY);
  }
}
