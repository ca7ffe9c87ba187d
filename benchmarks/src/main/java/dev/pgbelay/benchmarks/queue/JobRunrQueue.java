package dev.pgbelay.benchmarks.queue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pgbelay.benchmarks.Counts;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import javax.sql.DataSource;
import org.jobrunr.jobs.lambdas.JobRequest;
import org.jobrunr.jobs.lambdas.JobRequestHandler;
import org.jobrunr.jobs.mappers.JobMapper;
import org.jobrunr.scheduling.JobRequestScheduler;
import org.jobrunr.server.BackgroundJobServer;
import org.jobrunr.server.BackgroundJobServerConfiguration;
import org.jobrunr.server.JobActivator;
import org.jobrunr.storage.StorageProvider;
import org.jobrunr.storage.sql.postgres.PostgresStorageProvider;
import org.jobrunr.utils.mapper.JsonMapper;
import org.jobrunr.utils.mapper.jackson.JacksonJsonMapper;

/** JobRunr with job requests, which need no analysis of lambdas. */
final class JobRunrQueue implements QueueWay {
  private static final int THREADS = 16;

  private final DataSource pool;
  private final JsonMapper json = new JacksonJsonMapper(new ObjectMapper());
  private final StorageProvider storage;
  private final JobRequestScheduler scheduler;

  JobRunrQueue(DataSource pool) {
    this.pool = pool;
    this.storage = new PostgresStorageProvider(pool);
    this.storage.setJobMapper(new JobMapper(json));
    this.scheduler = new JobRequestScheduler(storage);
  }

  /** A job. */
  public static final class Noop implements JobRequest {
    private static final long serialVersionUID = 1L;

    private String payload = "";

    /** For the mapper. */
    public Noop() {}

    Noop(String payload) {
      this.payload = payload;
    }

    public String getPayload() {
      return payload;
    }

    @Override
    public Class<NoopHandler> getJobRequestHandler() {
      return NoopHandler.class;
    }
  }

  /** What runs it. */
  public record NoopHandler(Ran ran) implements JobRequestHandler<Noop> {
    @Override
    public void run(Noop request) {
      ran.job(request.getPayload());
    }
  }

  @Override
  public void reset() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(QueueSql.RESET_JOB_RUNR);
    }
  }

  @Override
  public void enqueue(List<String> payloads) {
    scheduler.enqueue(payloads.stream().map(Noop::new));
  }

  @Override
  public void enqueueOne(String payload) {
    scheduler.enqueue(new Noop(payload));
  }

  @Override
  public Workers work(Ran ran) {
    NoopHandler handler = new NoopHandler(ran);
    JobActivator activator =
        new JobActivator() {
          @Override
          public <T> T activateJob(Class<T> type) {
            return type.cast(handler);
          }
        };
    BackgroundJobServer server =
        new BackgroundJobServer(
            storage,
            json,
            activator,
            BackgroundJobServerConfiguration.usingStandardBackgroundJobServerConfiguration()
                .andPollIntervalInSeconds(5)
                .andWorkerCount(THREADS));
    server.start();
    return server::stop;
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, QueueSql.LEFT_JOB_RUNR);
  }

  @Override
  public void close() {
    scheduler.shutdown();
    storage.close();
  }
}
