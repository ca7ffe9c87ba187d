package dev.pgbelay.benchmarks.outbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.function.Consumer;
import javax.sql.DataSource;

/** The business rows alone, in transactions of the same form: what an event costs on top of it. */
record NoEvents(DataSource pool) implements OutboxWay {
  @Override
  public void reset() throws SQLException {
    Orders.create(pool);
  }

  @Override
  public void produce(long number, String key) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      connection.setAutoCommit(false);
      Orders.place(connection, number, key);
      connection.commit();
      connection.setAutoCommit(true);
    }
  }

  @Override
  public void fill(long from, long to, Keys keys) {
    throw new UnsupportedOperationException("nothing is delivered");
  }

  @Override
  public Relay relay(Consumer<String> delivered) {
    return () -> {};
  }

  @Override
  public long orders() throws SQLException {
    return Orders.count(pool);
  }

  @Override
  public long left() {
    return 0;
  }
}
