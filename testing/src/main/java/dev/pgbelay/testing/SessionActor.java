package dev.pgbelay.testing;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** A thread with a connection, and the means to end both whatever they are doing. */
final class SessionActor {
  private static final Duration CANCEL_LIMIT = Duration.ofSeconds(2);

  private final String name;
  private final PidRecordingDataSource recorded;
  private final ExecutorService thread;
  private @Nullable Connection connection;
  private @Nullable Future<?> last;

  SessionActor(String name, DataSource dataSource) {
    this.name = name;
    this.recorded = new PidRecordingDataSource(dataSource);
    this.thread =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread created = new Thread(task, "interleaving-" + name);
              created.setDaemon(true);
              return created;
            });
  }

  DataSource dataSource() {
    return recorded;
  }

  Set<Integer> pids() {
    return recorded.pids();
  }

  <T> Future<T> submit(Callable<T> work) {
    Future<T> future = thread.submit(work);
    last = future;
    return future;
  }

  /** Opened at first use, outside autocommit. To be called on the actor's thread. */
  Connection connection() throws SQLException {
    Connection open = connection;
    if (open == null) {
      open = recorded.getConnection();
      open.setAutoCommit(false);
      connection = open;
    }
    return open;
  }

  private boolean isBusy() {
    Future<?> step = last;
    return step != null && !step.isDone();
  }

  /** Cancels what runs, terminates what does not heed that, rolls back, closes. */
  void close(ScriptWatch watch) throws SQLException, InterruptedException {
    if (isBusy()) {
      watch.monitor().cancel(pids());
      if (!endsWithin(CANCEL_LIMIT)) {
        watch.monitor().terminate(pids());
      }
    }
    thread.shutdownNow();
    if (!thread.awaitTermination(watch.limitMillis(), TimeUnit.MILLISECONDS)) {
      throw new AssertionError(name + " does not end\n" + watch.monitor().dump());
    }
    Connection open = connection;
    if (open != null && !open.isClosed()) {
      try {
        open.rollback();
      } finally {
        open.close();
      }
    }
  }

  private boolean endsWithin(Duration wait) throws InterruptedException {
    long deadline = System.nanoTime() + wait.toNanos();
    while (isBusy()) {
      if (System.nanoTime() > deadline) {
        return false;
      }
      TimeUnit.MILLISECONDS.sleep(2);
    }
    return true;
  }
}
