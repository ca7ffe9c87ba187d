package dev.pgbelay.testing;

import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Looks at the end of a test class for what it left behind, on the server and in this JVM. What
 * ends by itself within a moment is no leak.
 */
final class LeakCheck {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(3);
  private static final long LEAST_PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final int STACK_FRAMES = 10;

  private final PostgresDatabase database;
  private final Set<Thread> threadsBefore = Thread.getAllStackTraces().keySet();
  private long patienceEnds;

  LeakCheck(PostgresDatabase database) {
    this.database = database;
  }

  /** Closes the pool, since what remains then is a leak; what it found is rolled back. */
  List<String> findAndRemove() throws SQLException {
    patienceEnds = System.nanoTime() + PATIENCE_NANOS;
    Set<String> found = new LinkedHashSet<>();
    HikariDataSource pool = database.pool();
    await(() -> pool.getHikariPoolMXBean() == null || active(pool) == 0);
    int active = pool.getHikariPoolMXBean() == null ? 0 : active(pool);
    if (active > 0) {
      found.add(active + " connection(s) of the pool not given back");
    }
    try (Connection connection = database.cluster().primary().connect()) {
      await(() -> list(connection, LeakSql.FIND_OPEN_TRANSACTIONS).isEmpty());
      found.addAll(list(connection, LeakSql.FIND_OPEN_TRANSACTIONS));
      List<String> sessions = active > 0 ? list(connection, LeakSql.FIND_SESSIONS) : List.of();
      pool.close();
      await(() -> list(connection, LeakSql.FIND_SESSIONS).isEmpty());
      found.addAll(list(connection, LeakSql.FIND_SESSIONS));
      if (active > 0 && found.size() == 1) {
        found.addAll(sessions);
      }
      found.addAll(list(connection, LeakSql.FIND_PREPARED));
      found.addAll(list(connection, LeakSql.FIND_SLOTS));
      removeObstacles(connection);
    }
    found.addAll(threads());
    return List.copyOf(found);
  }

  private static int active(HikariDataSource pool) {
    return pool.getHikariPoolMXBean().getActiveConnections();
  }

  /** Prepared transactions and slots keep a database from being dropped. */
  private void removeObstacles(Connection connection) throws SQLException {
    List<String> prepared = list(connection, LeakSql.LIST_PREPARED);
    if (!prepared.isEmpty()) {
      try (Connection inside = database.connect();
          Statement statement = inside.createStatement()) {
        for (String gid : prepared) {
          statement.execute(LeakSql.ROLL_BACK_PREPARED.formatted(statement.enquoteLiteral(gid)));
        }
      }
    }
    if (!list(connection, LeakSql.FIND_SLOTS).isEmpty()) {
      list(connection, LeakSql.DROP_SLOTS);
    }
  }

  private List<String> list(Connection connection, String sql) throws SQLException {
    List<String> lines = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, database.name());
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          lines.add(String.valueOf(rows.getString(1)));
        }
      }
    }
    return lines;
  }

  private List<String> threads() throws SQLException {
    await(() -> newThreads().isEmpty());
    return newThreads().stream()
        .map(
            thread ->
                "non-daemon thread \""
                    + thread.getName()
                    + "\" still runs"
                    + Arrays.stream(thread.getStackTrace())
                        .limit(STACK_FRAMES)
                        .map(frame -> "\n      at " + frame)
                        .reduce("", String::concat))
        .toList();
  }

  private List<Thread> newThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> !thread.isDaemon() && thread.isAlive())
        .filter(thread -> !threadsBefore.contains(thread))
        .filter(thread -> !thread.getName().startsWith("junit-"))
        .toList();
  }

  private interface Condition {
    boolean holds() throws SQLException;
  }

  /** All waits share one patience, but each has a moment of its own. */
  private void await(Condition condition) throws SQLException {
    long deadline = Math.max(patienceEnds, System.nanoTime() + LEAST_PATIENCE_NANOS);
    while (!condition.holds() && System.nanoTime() < deadline) {
      try {
        TimeUnit.MILLISECONDS.sleep(5);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }
}
