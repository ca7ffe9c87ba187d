package dev.pgbelay.benchmarks.queue;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import dev.pgbelay.benchmarks.latency.LatencyWay;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** The ways within one JVM. */
final class LatencyWays {
  static final JobKind<String> NOOP = JobKind.text("noop");

  private LatencyWays() {}

  /** A bare INSERT in autocommit, and the job is there when it returns. */
  static final class CommitOnly implements LatencyWay {
    private final DataSource pool;
    private LongConsumer arrived = at -> {};

    CommitOnly(DataSource pool) {
      this.pool = pool;
    }

    @Override
    public LatencyWay.Running start(LongConsumer onArrival) throws SQLException {
      arrived = onArrival;
      new HandWrittenQueue(pool, 1, 1).reset();
      return () -> {};
    }

    @Override
    public long send() throws SQLException {
      long start = System.nanoTime();
      try (Connection connection = pool.getConnection()) {
        QueueSenders.HandWritten.insert(connection, QueueSql.ENQUEUE_ONE);
      }
      arrived.accept(System.nanoTime());
      return start;
    }
  }

  /** The library: the worker knows the queue that enqueues. */
  static final class Pgbelay implements LatencyWay {
    private final DataSource pool;
    private final Transactions transactions;
    private final JobQueue jobs = JobQueue.create();

    Pgbelay(DataSource pool) {
      this.pool = pool;
      this.transactions = Transactions.of(pool);
      SchemaInstaller.builder(pool).modules("jobqueue").build().install();
    }

    @Override
    public LatencyWay.Running start(LongConsumer arrived) throws SQLException {
      new PgbelayQueue(pool).reset();
      JobWorker worker =
          JobWorker.builder(transactions, pool)
              .handle(
                  NOOP,
                  (context, payload) -> {
                    arrived.accept(System.nanoTime());
                    return JobOutcome.done();
                  })
              .wokenBy(jobs)
              .build();
      worker.start();
      return () -> worker.stop(Duration.ofSeconds(10));
    }

    @Override
    public long send() {
      long start = System.nanoTime();
      jobs.enqueue(transactions, NOOP.job("x"));
      return start;
    }
  }

  /** db-scheduler: the scheduler itself enqueues, and is told to look at once. */
  static final class DbScheduler implements LatencyWay {
    private final DataSource pool;
    private final InstantSource clock = InstantSource.system();
    private final AtomicLong names = new AtomicLong();
    private @Nullable Scheduler scheduler;

    DbScheduler(DataSource pool) {
      this.pool = pool;
    }

    @Override
    public LatencyWay.Running start(LongConsumer arrived) throws SQLException {
      new DbSchedulerQueue(pool).reset();
      OneTimeTask<String> task =
          Tasks.oneTime("noop", String.class)
              .execute((instance, context) -> arrived.accept(System.nanoTime()));
      Scheduler started = DbSchedulerQueue.scheduler(pool, task).enableImmediateExecution().build();
      scheduler = started;
      started.start();
      return started::stop;
    }

    @Override
    public long send() {
      if (scheduler == null) {
        throw new IllegalStateException("not started");
      }
      long start = System.nanoTime();
      scheduler.scheduleIfNotExists(
          new TaskInstance<>("noop", Long.toString(names.incrementAndGet()), "x"), clock.instant());
      return start;
    }
  }
}
