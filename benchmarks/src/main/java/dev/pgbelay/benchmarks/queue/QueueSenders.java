package dev.pgbelay.benchmarks.queue;

import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import dev.pgbelay.benchmarks.latency.LatencySender;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.JobQueue;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Add jobs that another JVM works on. */
final class QueueSenders {
  private QueueSenders() {}

  /**
   * By hand.
   *
   * @param inOne whether INSERT and NOTIFY are one transaction, else two
   */
  record HandWritten(DataSource pool, boolean inOne) implements LatencySender {
    private static final byte[] PAYLOAD = "x".getBytes(StandardCharsets.UTF_8);

    @Override
    public void reset() throws SQLException {
      new HandWrittenQueue(pool, 1, 1).reset();
    }

    @Override
    public long send() throws SQLException {
      long start = System.nanoTime();
      try (Connection connection = pool.getConnection()) {
        insert(connection, inOne ? QueueSql.NOTIFY_ENQUEUED : QueueSql.ENQUEUE_ONE);
        if (!inOne) {
          try (PreparedStatement notify = connection.prepareStatement(QueueSql.NOTIFY)) {
            notify.execute();
          }
        }
      }
      return start;
    }

    static void insert(Connection connection, String sql) throws SQLException {
      try (PreparedStatement insert = connection.prepareStatement(sql)) {
        insert.setBytes(1, PAYLOAD);
        insert.execute();
      }
    }
  }

  /** The library, which sends notifications if it has a direct way to the server. */
  static final class Pgbelay implements LatencySender {
    private final DataSource pool;
    private final @Nullable DataSource direct;
    private final Transactions transactions;
    private JobQueue jobs = JobQueue.create();
    private @Nullable WakeUps sending;

    Pgbelay(DataSource pool, @Nullable DataSource direct) {
      this.pool = pool;
      this.direct = direct;
      this.transactions = Transactions.of(pool);
      SchemaInstaller.builder(pool).modules("jobqueue").build().install();
    }

    @Override
    public void reset() throws Exception {
      new PgbelayQueue(pool).reset();
      if (direct != null) {
        WakeUps wakeUps = WakeUps.builder(direct).build();
        sending = wakeUps;
        jobs = JobQueue.builder().announcedBy(wakeUps).build();
        wakeUps.start();
        while (!wakeUps.isHealthy()) {
          TimeUnit.MILLISECONDS.sleep(10);
        }
      }
    }

    @Override
    public long send() {
      long start = System.nanoTime();
      jobs.enqueue(transactions, LatencyWays.NOOP.job("x"));
      return start;
    }

    @Override
    public void stop() {
      if (sending != null) {
        sending.close();
      }
    }
  }

  /** db-scheduler. */
  static final class DbScheduler implements LatencySender {
    private final DataSource pool;
    private final InstantSource clock = InstantSource.system();
    private final AtomicLong names = new AtomicLong();
    private final SchedulerClient client;

    DbScheduler(DataSource pool) {
      this.pool = pool;
      OneTimeTask<String> task =
          Tasks.oneTime("noop", String.class).execute((instance, context) -> {});
      this.client = SchedulerClient.Builder.create(pool, task).build();
    }

    @Override
    public void reset() throws SQLException {
      new DbSchedulerQueue(pool).reset();
    }

    @Override
    public long send() {
      long start = System.nanoTime();
      client.scheduleIfNotExists(
          new TaskInstance<>("noop", Long.toString(names.incrementAndGet()), "x"), clock.instant());
      return start;
    }
  }
}
