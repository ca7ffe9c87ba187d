package dev.pgbelay.benchmarks.queue;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.latency.BareListener;
import dev.pgbelay.benchmarks.latency.LatencyReceiver;
import dev.pgbelay.benchmarks.latency.LatencyWay;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import javax.sql.DataSource;

/** What has jobs begin that another JVM enqueues. */
enum QueueReceiver implements LatencyReceiver {
  /** A connection that does nothing but listen. */
  LISTEN {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived)
        throws SQLException {
      return BareListener.listen(url, QueueSql.LISTEN, () -> arrived.accept(System.nanoTime()));
    }
  },

  /**
   * A connection that listens, and one kept for claims: one statement, and its commit is durable.
   */
  LISTEN_AND_CLAIM {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived)
        throws SQLException {
      Connection claiming = DriverManager.getConnection(url);
      PreparedStatement claim = claiming.prepareStatement(QueueSql.CLAIM);
      PreparedStatement delete = claiming.prepareStatement(QueueSql.DELETE);
      LatencyWay.Running listening =
          BareListener.listen(
              url,
              QueueSql.LISTEN,
              () -> {
                claim.setInt(1, 1);
                try (ResultSet row = claim.executeQuery()) {
                  if (row.next()) {
                    arrived.accept(System.nanoTime());
                    delete.setArray(
                        1, claiming.createArrayOf("bigint", new Object[] {row.getLong(1)}));
                    delete.executeUpdate();
                  }
                }
              });
      return () -> {
        listening.stop();
        try {
          claiming.close();
        } catch (SQLException e) {
          throw new IllegalStateException(e);
        }
      };
    }
  },

  /** A worker of the library that hears notifications. */
  PGBELAY {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived)
        throws InterruptedException {
      HikariDataSource direct = new HikariDataSource(BenchServer.poolConfig(url));
      WakeUps listening = WakeUps.builder(direct).build();
      JobWorker worker = worker(pool, arrived).wokenBy(listening).build();
      listening.start();
      worker.start();
      while (!listening.isHealthy()) {
        TimeUnit.MILLISECONDS.sleep(10);
      }
      return () -> {
        worker.stop(Duration.ofSeconds(10));
        listening.close();
        direct.close();
      };
    }
  },

  /** A worker of the library that polls. */
  PGBELAY_POLLING {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived) {
      JobWorker worker = worker(pool, arrived).pollInterval(POLL).build();
      worker.start();
      return () -> worker.stop(Duration.ofSeconds(10));
    }
  },

  /** A scheduler of db-scheduler that polls. */
  DB_SCHEDULER {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived) {
      OneTimeTask<String> task =
          Tasks.oneTime("noop", String.class)
              .execute((instance, context) -> arrived.accept(System.nanoTime()));
      Scheduler scheduler = DbSchedulerQueue.scheduler(pool, task).build();
      scheduler.start();
      return scheduler::stop;
    }
  };

  static final Duration POLL = Duration.ofMillis(100);

  private static JobWorkerBuilder worker(DataSource pool, LongConsumer arrived) {
    return JobWorker.builder(Transactions.of(pool), pool)
        .handle(
            LatencyWays.NOOP,
            (context, payload) -> {
              arrived.accept(System.nanoTime());
              return JobOutcome.done();
            });
  }
}
