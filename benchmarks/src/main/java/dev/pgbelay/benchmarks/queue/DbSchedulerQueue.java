package dev.pgbelay.benchmarks.queue;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerBuilder;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import dev.pgbelay.benchmarks.Counts;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** db-scheduler with the polling strategy that its documentation names for high throughput. */
final class DbSchedulerQueue implements QueueWay {
  static final int THREADS = 16;

  private final DataSource pool;
  private final InstantSource clock = InstantSource.system();
  private final SchedulerClient client;

  DbSchedulerQueue(DataSource pool) {
    this.pool = pool;
    this.client = SchedulerClient.Builder.create(pool, task(new Ran())).build();
  }

  static OneTimeTask<String> task(Ran ran) {
    return Tasks.oneTime("noop", String.class)
        .execute((instance, context) -> ran.job(instance.getData()));
  }

  static SchedulerBuilder scheduler(DataSource pool, OneTimeTask<String> task) {
    return Scheduler.create(pool, task)
        .threads(THREADS)
        .pollingInterval(Duration.ofMillis(100))
        .pollUsingLockAndFetch(4.0, 20.0);
  }

  @Override
  public void reset() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(QueueSql.CREATE_DB_SCHEDULER);
    }
  }

  @Override
  public void enqueue(List<String> payloads) {
    List<TaskInstance<?>> instances = new ArrayList<>();
    payloads.forEach(payload -> instances.add(new TaskInstance<>("noop", payload, payload)));
    client.scheduleBatch(instances, clock.instant());
  }

  @Override
  public void enqueueOne(String payload) {
    client.scheduleIfNotExists(new TaskInstance<>("noop", payload, payload), clock.instant());
  }

  @Override
  public Workers work(Ran ran) {
    Scheduler scheduler = scheduler(pool, task(ran)).build();
    scheduler.start();
    return scheduler::stop;
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, QueueSql.LEFT_DB_SCHEDULER);
  }
}
