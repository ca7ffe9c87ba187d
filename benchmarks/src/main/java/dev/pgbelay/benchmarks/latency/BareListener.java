package dev.pgbelay.benchmarks.latency;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/** A connection that does nothing but listen. */
public final class BareListener {
  /** What is done about a notification. */
  @FunctionalInterface
  public interface Heard {
    void notification() throws SQLException;
  }

  private BareListener() {}

  /** Listens on a connection and a thread of its own. */
  public static LatencyWay.Running listen(String url, String sql, Heard heard) throws SQLException {
    Connection listening = DriverManager.getConnection(url);
    try (Statement listen = listening.createStatement()) {
      listen.execute(sql);
    }
    AtomicBoolean stopped = new AtomicBoolean();
    Thread thread = new Thread(() -> hear(listening, heard, stopped), "bare-listen");
    thread.setDaemon(true);
    thread.start();
    return () -> {
      stopped.set(true);
      thread.join();
    };
  }

  private static void hear(Connection listening, Heard heard, AtomicBoolean stopped) {
    try (listening) {
      PGConnection driver = listening.unwrap(PGConnection.class);
      while (!stopped.get()) {
        PGNotification @Nullable [] notifications = driver.getNotifications(50);
        for (int i = 0; notifications != null && i < notifications.length; i++) {
          heard.notification();
        }
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }
}
