package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.Counts;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/** The business row that each event is about. */
final class Orders {
  private Orders() {}

  static void create(DataSource pool) throws SQLException {
    execute(pool, OutboxSql.CREATE_ORDERS);
  }

  static void place(Connection connection, long number, String customer) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(OutboxSql.PLACE_ORDER)) {
      insert.setLong(1, number);
      insert.setString(2, customer);
      insert.executeUpdate();
    }
  }

  static long count(DataSource pool) throws SQLException {
    return Counts.of(pool, OutboxSql.ORDERS);
  }

  static void execute(DataSource pool, String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }
}
