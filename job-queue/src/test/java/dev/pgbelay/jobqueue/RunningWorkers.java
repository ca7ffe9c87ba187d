package dev.pgbelay.jobqueue;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** The workers of a test and the pool of their heartbeats, which end with it. */
final class RunningWorkers implements AfterEachCallback, AfterAllCallback {
  private final PostgresExtension postgres;
  private final int connections;
  private final List<JobWorker> started = new ArrayList<>();
  private @Nullable HikariDataSource heartbeats;

  RunningWorkers(PostgresExtension postgres, int connections) {
    this.postgres = postgres;
    this.connections = connections;
  }

  HikariDataSource heartbeats() {
    HikariDataSource pool = heartbeats;
    if (pool == null) {
      pool = QueueFixture.pool(postgres.jdbcUrl(), connections);
      heartbeats = pool;
    }
    return pool;
  }

  JobWorker start(JobWorkerBuilder builder) {
    JobWorker worker = builder.build();
    started.add(worker);
    worker.start();
    return worker;
  }

  void stop(Duration deadline) {
    started.forEach(worker -> worker.stop(deadline));
    started.clear();
  }

  @Override
  public void afterEach(ExtensionContext context) {
    stop(Duration.ZERO);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    if (heartbeats != null) {
      heartbeats.close();
    }
  }
}
