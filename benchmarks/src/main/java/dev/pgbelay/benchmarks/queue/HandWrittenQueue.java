package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Counts;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;

/**
 * Threads that claim, run and delete so many jobs at once, each step in a transaction of its own.
 * No fence, no retry, no rescue, no record of what was done.
 */
record HandWrittenQueue(DataSource pool, int threads, int batch) implements QueueWay {

  @Override
  public void reset() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(QueueSql.CREATE);
    }
  }

  @Override
  public void enqueue(List<String> payloads) throws SQLException {
    byte[][] bytes =
        payloads.stream().map(p -> p.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
    try (Connection connection = pool.getConnection();
        PreparedStatement insert = connection.prepareStatement(QueueSql.ENQUEUE)) {
      insert.setArray(1, connection.createArrayOf("bytea", bytes));
      insert.executeUpdate();
    }
  }

  @Override
  public void enqueueOne(String payload) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement insert = connection.prepareStatement(QueueSql.ENQUEUE_ONE)) {
      insert.setBytes(1, payload.getBytes(StandardCharsets.UTF_8));
      insert.executeUpdate();
    }
  }

  @Override
  public Workers work(Ran ran) {
    AtomicBoolean stopped = new AtomicBoolean();
    List<Thread> running = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      Thread thread = new Thread(() -> loop(ran, stopped), "hand-written-" + i);
      thread.setDaemon(true);
      thread.start();
      running.add(thread);
    }
    return () -> {
      stopped.set(true);
      for (Thread thread : running) {
        thread.join();
      }
    };
  }

  private void loop(Ran ran, AtomicBoolean stopped) {
    while (!stopped.get()) {
      try {
        if (round(ran) == 0) {
          TimeUnit.MILLISECONDS.sleep(5);
        }
      } catch (SQLException | InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private int round(Ran ran) throws SQLException {
    List<Long> ids = new ArrayList<>(batch);
    List<String> payloads = new ArrayList<>(batch);
    try (Connection connection = pool.getConnection();
        PreparedStatement claim = connection.prepareStatement(QueueSql.CLAIM)) {
      claim.setInt(1, batch);
      try (ResultSet row = claim.executeQuery()) {
        while (row.next()) {
          ids.add(row.getLong(1));
          payloads.add(new String(row.getBytes(2), StandardCharsets.UTF_8));
        }
      }
    }
    if (ids.isEmpty()) {
      return 0;
    }
    payloads.forEach(ran::job);
    try (Connection connection = pool.getConnection();
        PreparedStatement delete = connection.prepareStatement(QueueSql.DELETE)) {
      delete.setArray(1, connection.createArrayOf("bigint", ids.toArray()));
      delete.executeUpdate();
    }
    return ids.size();
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, QueueSql.LEFT);
  }
}
