package dev.pgbelay.lock;

import dev.pgbelay.lock.LockNotAvailableException.Holder;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks, while a session waits for a lock, at who is in its way: shortly before its {@code
 * lock_timeout} ends the wait, and again for the next wait of the same statement.
 */
final class HolderSampler implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(HolderSampler.class);
  private static final long MARGIN_MILLIS = 500;

  private final DataSource monitor;
  private final ScheduledThreadPoolExecutor timer;

  HolderSampler(DataSource monitor, String name) {
    this.monitor = monitor;
    this.timer =
        new ScheduledThreadPoolExecutor(
            1,
            task -> {
              Thread thread = new Thread(task, "pgbelay-lock-monitor-" + name);
              thread.setDaemon(true);
              return thread;
            });
    timer.setRemoveOnCancelPolicy(true);
    timer.setKeepAliveTime(10, TimeUnit.SECONDS);
    timer.allowCoreThreadTimeOut(true);
  }

  /** The watch over one acquire. */
  static final class Watch implements AutoCloseable {
    static final Watch NONE = new Watch();

    private volatile List<Holder> holders = List.of();
    private @Nullable Future<?> task;

    /** Who was in the way at the last look. */
    List<Holder> holders() {
      return holders;
    }

    @Override
    public void close() {
      if (task != null) {
        task.cancel(false);
      }
    }
  }

  Watch watch(int pid, Duration wait) {
    Watch watch = new Watch();
    long millis = wait.toMillis();
    long look = Math.max(1, millis - Math.min(MARGIN_MILLIS, millis * 2 / 5));
    try {
      watch.task =
          timer.scheduleWithFixedDelay(() -> look(pid, watch), look, look, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException closed) {
      LOG.debug("the order's monitor is closed: holders of locks will not be named");
    }
    return watch;
  }

  private void look(int pid, Watch watch) {
    try {
      List<Holder> found = find(pid);
      if (!found.isEmpty()) {
        watch.holders = found;
      }
    } catch (SQLException | RuntimeException e) {
      LOG.debug("who holds a lock could not be found out", e);
    }
  }

  List<Holder> find(int pid) throws SQLException {
    List<Holder> holders = new ArrayList<>();
    try (Connection connection = monitor.getConnection();
        PreparedStatement ask = connection.prepareStatement(LockSql.FIND_HOLDERS)) {
      ask.setQueryTimeout(5);
      ask.setInt(1, pid);
      ask.setInt(2, pid);
      try (ResultSet row = ask.executeQuery()) {
        while (row.next()) {
          long open = row.getLong(4);
          holders.add(
              new Holder(
                  row.getInt(1),
                  Optional.ofNullable(row.getString(2)),
                  Optional.ofNullable(row.getString(3)),
                  row.getObject(4) == null
                      ? Optional.empty()
                      : Optional.of(Duration.ofMillis(open)),
                  row.getBoolean(5)));
        }
      }
      if (!connection.getAutoCommit()) {
        connection.rollback();
      }
    }
    return holders;
  }

  @Override
  public void close() {
    timer.shutdownNow();
  }
}
