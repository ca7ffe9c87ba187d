package dev.pgbelay.benchmarks.queue;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/** The ways that are compared. */
final class LatencyWays {
  private static final byte[] PAYLOAD = "x".getBytes(StandardCharsets.UTF_8);

  private LatencyWays() {}

  /** A bare INSERT in autocommit, and the job is there when it returns. */
  static final class CommitOnly implements LatencyWay {
    private final DataSource pool;
    private Runnable arrived = () -> {};

    CommitOnly(DataSource pool) {
      this.pool = pool;
    }

    @Override
    public QueueWay.Workers start(Runnable onArrival) throws SQLException {
      arrived = onArrival;
      new HandWrittenQueue(pool, 1, 1).reset();
      return () -> {};
    }

    @Override
    public void enqueue() throws SQLException {
      insert(pool, QueueSql.ENQUEUE_ONE);
      arrived.run();
    }
  }

  private static void insert(DataSource pool, String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement insert = connection.prepareStatement(sql)) {
      insert.setBytes(1, PAYLOAD);
      insert.execute();
    }
  }

  /** An INSERT with NOTIFY in one transaction, and a connection that does nothing but listen. */
  static final class BareNotify implements LatencyWay {
    private final DataSource pool;
    private final String url;

    BareNotify(DataSource pool, String url) {
      this.pool = pool;
      this.url = url;
    }

    @Override
    public QueueWay.Workers start(Runnable arrived) throws SQLException {
      new HandWrittenQueue(pool, 1, 1).reset();
      Connection listening = DriverManager.getConnection(url);
      try (Statement listen = listening.createStatement()) {
        listen.execute(QueueSql.LISTEN);
      }
      AtomicBoolean stopped = new AtomicBoolean();
      Thread thread = new Thread(() -> listen(listening, arrived, stopped), "bare-listen");
      thread.setDaemon(true);
      thread.start();
      return () -> {
        stopped.set(true);
        thread.join();
      };
    }

    private static void listen(Connection listening, Runnable arrived, AtomicBoolean stopped) {
      try (listening) {
        PGConnection driver = listening.unwrap(PGConnection.class);
        while (!stopped.get()) {
          PGNotification @Nullable [] heard = driver.getNotifications(50);
          for (int i = 0; heard != null && i < heard.length; i++) {
            arrived.run();
          }
        }
      } catch (SQLException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public void enqueue() throws SQLException {
      insert(pool, QueueSql.NOTIFY_ENQUEUED);
    }
  }

  /** The library. */
  static final class Pgbelay implements LatencyWay {
    private static final JobKind<String> NOOP = JobKind.text("noop");

    private final DataSource pool;
    private final Transactions transactions;
    private final JobQueue jobs = JobQueue.create();
    private final UnaryOperator<JobWorkerBuilder> settings;
    private final boolean woken;

    /**
     * @param woken whether the worker knows the queue that enqueues, as in one process
     */
    Pgbelay(DataSource pool, boolean woken, UnaryOperator<JobWorkerBuilder> settings) {
      this.pool = pool;
      this.woken = woken;
      this.settings = settings;
      this.transactions = Transactions.of(pool);
      SchemaInstaller.builder(pool).modules("jobqueue").build().install();
    }

    @Override
    public QueueWay.Workers start(Runnable arrived) throws SQLException {
      new PgbelayQueue(pool).reset();
      JobWorkerBuilder builder =
          settings.apply(
              JobWorker.builder(transactions, pool)
                  .handle(
                      NOOP,
                      (context, payload) -> {
                        arrived.run();
                        return JobOutcome.done();
                      }));
      JobWorker worker = (woken ? builder.wokenBy(jobs) : builder).build();
      worker.start();
      return () -> worker.stop(Duration.ofSeconds(10));
    }

    @Override
    public void enqueue() {
      jobs.enqueue(transactions, NOOP.job("x"));
    }
  }

  /** The library, with an enqueuer and a worker that know each other by notifications only. */
  static final class PgbelayNotified implements LatencyWay {
    private final DataSource pool;
    private final DataSource direct;
    private final Transactions transactions;
    private JobQueue jobs = JobQueue.create();

    /**
     * @param direct connections for the two that listen and send
     */
    PgbelayNotified(DataSource pool, DataSource direct) {
      this.pool = pool;
      this.direct = direct;
      this.transactions = Transactions.of(pool);
      SchemaInstaller.builder(pool).modules("jobqueue").build().install();
    }

    @Override
    public QueueWay.Workers start(Runnable arrived) throws Exception {
      new PgbelayQueue(pool).reset();
      WakeUps sending = WakeUps.builder(direct).build();
      WakeUps listening = WakeUps.builder(direct).build();
      jobs = JobQueue.builder().announcedBy(sending).build();
      JobWorker worker =
          JobWorker.builder(transactions, pool)
              .handle(
                  Pgbelay.NOOP,
                  (context, payload) -> {
                    arrived.run();
                    return JobOutcome.done();
                  })
              .wokenBy(listening)
              .build();
      sending.start();
      listening.start();
      worker.start();
      while (!sending.isHealthy() || !listening.isHealthy()) {
        TimeUnit.MILLISECONDS.sleep(10);
      }
      return () -> {
        worker.stop(Duration.ofSeconds(10));
        sending.close();
        listening.close();
      };
    }

    @Override
    public void enqueue() {
      jobs.enqueue(transactions, Pgbelay.NOOP.job("x"));
    }
  }

  /** db-scheduler. */
  static final class DbScheduler implements LatencyWay {
    private final DataSource pool;
    private final boolean immediate;
    private final InstantSource clock = InstantSource.system();
    private final AtomicLong names = new AtomicLong();
    private @Nullable SchedulerClient client;

    /**
     * @param immediate whether the scheduler itself enqueues, and is told to look at once
     */
    DbScheduler(DataSource pool, boolean immediate) {
      this.pool = pool;
      this.immediate = immediate;
    }

    @Override
    public QueueWay.Workers start(Runnable arrived) throws SQLException {
      new DbSchedulerQueue(pool).reset();
      OneTimeTask<String> task =
          Tasks.oneTime("noop", String.class).execute((instance, context) -> arrived.run());
      Scheduler scheduler =
          immediate
              ? DbSchedulerQueue.scheduler(pool, task).enableImmediateExecution().build()
              : DbSchedulerQueue.scheduler(pool, task).build();
      client = immediate ? scheduler : SchedulerClient.Builder.create(pool, task).build();
      scheduler.start();
      return scheduler::stop;
    }

    @Override
    public void enqueue() {
      if (client == null) {
        throw new IllegalStateException("not started");
      }
      client.scheduleIfNotExists(
          new TaskInstance<>("noop", Long.toString(names.incrementAndGet()), "x"), clock.instant());
    }
  }
}
