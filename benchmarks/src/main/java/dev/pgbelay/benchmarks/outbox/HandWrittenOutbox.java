package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.Counts;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import javax.sql.DataSource;

/**
 * Relays that take so many messages and delete them in one transaction, and deliver them within it:
 * whoever crashes delivers all of them again. One alone takes them in an order that is safe against
 * late commits; several have none.
 */
record HandWrittenOutbox(DataSource pool, int relays, int batch) implements OutboxWay {
  private record Taken(long xid, long id, String payload) {}

  @Override
  public void reset() throws SQLException {
    Orders.create(pool);
    Orders.execute(pool, OutboxSql.CREATE);
  }

  @Override
  public void produce(long number, String key) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      connection.setAutoCommit(false);
      Orders.place(connection, number, key);
      try (PreparedStatement append = connection.prepareStatement(OutboxSql.APPEND)) {
        append.setString(1, key);
        append.setBytes(2, Long.toString(number).getBytes(StandardCharsets.UTF_8));
        append.executeUpdate();
      }
      connection.commit();
      connection.setAutoCommit(true);
    }
  }

  @Override
  public void fill(long from, long to, Keys keys) throws SQLException {
    String[] key = LongStream.range(from, to).mapToObj(keys::of).toArray(String[]::new);
    byte[][] payload =
        LongStream.range(from, to)
            .mapToObj(number -> Long.toString(number).getBytes(StandardCharsets.UTF_8))
            .toArray(byte[][]::new);
    try (Connection connection = pool.getConnection();
        PreparedStatement fill = connection.prepareStatement(OutboxSql.FILL)) {
      fill.setArray(1, connection.createArrayOf("text", key));
      fill.setArray(2, connection.createArrayOf("bytea", payload));
      fill.executeUpdate();
    }
  }

  @Override
  public Relay relay(Consumer<String> delivered) {
    AtomicBoolean stopped = new AtomicBoolean();
    List<Thread> running = new ArrayList<>();
    for (int i = 0; i < relays; i++) {
      Thread thread = new Thread(() -> loop(delivered, stopped), "hand-written-" + i);
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

  private void loop(Consumer<String> delivered, AtomicBoolean stopped) {
    while (!stopped.get()) {
      try {
        if (round(delivered) == 0) {
          TimeUnit.MILLISECONDS.sleep(2);
        }
      } catch (SQLException | InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private int round(Consumer<String> delivered) throws SQLException {
    List<Taken> taken = new ArrayList<>(batch);
    try (Connection connection = pool.getConnection()) {
      connection.setAutoCommit(false);
      try (PreparedStatement take =
          connection.prepareStatement(relays == 1 ? OutboxSql.TAKE : OutboxSql.TAKE_ANY)) {
        take.setInt(1, batch);
        try (ResultSet row = take.executeQuery()) {
          while (row.next()) {
            taken.add(
                new Taken(
                    row.getLong(1),
                    row.getLong(2),
                    new String(row.getBytes(3), StandardCharsets.UTF_8)));
          }
        }
      }
      taken.sort(Comparator.comparingLong(Taken::xid).thenComparingLong(Taken::id));
      taken.forEach(one -> delivered.accept(one.payload()));
      connection.commit();
      connection.setAutoCommit(true);
    }
    return taken.size();
  }

  @Override
  public long orders() throws SQLException {
    return Orders.count(pool);
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, OutboxSql.LEFT);
  }
}
