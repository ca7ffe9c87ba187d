package dev.pgbelay.testing;

import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** The bounded waits of a script, and the connection that looks at its sessions. */
final class ScriptWatch implements AutoCloseable {
  private final DataSource dataSource;
  private Duration limit = Duration.ofSeconds(60);
  private @Nullable SessionMonitor monitor;

  ScriptWatch(DataSource dataSource) {
    this.dataSource = dataSource;
  }

  interface Condition {
    boolean holds() throws Exception;
  }

  void limit(Duration longest) {
    this.limit = longest;
  }

  long limitMillis() {
    return limit.toMillis();
  }

  SessionMonitor monitor() throws SQLException {
    SessionMonitor open = monitor;
    if (open == null) {
      open = new SessionMonitor(dataSource);
      monitor = open;
    }
    return open;
  }

  void await(String what, Condition condition) throws Exception {
    long deadline = System.nanoTime() + limit.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > deadline) {
        throw timedOut(what);
      }
      TimeUnit.MILLISECONDS.sleep(2);
    }
  }

  AssertionError timedOut(String what) throws SQLException {
    return new AssertionError(
        "waited "
            + limit
            + " for "
            + what
            + ". The sessions of the database:\n"
            + monitor().dump());
  }

  @Override
  public void close() throws SQLException {
    if (monitor != null) {
      monitor.close();
    }
  }
}
