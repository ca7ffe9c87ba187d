package dev.pgbelay.benchmarks.writes;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.List;
import javax.sql.DataSource;
import org.postgresql.PGConnection;

/** Plain JDBC: row at a time, {@code addBatch}, arrays. */
final class JdbcWrites {
  /** Sets the parameters of one row. */
  interface Binder {
    void bind(PreparedStatement statement, Item item) throws SQLException;
  }

  /** Sets the parameters of many rows, an array for each column. */
  interface ArrayBinder {
    void bind(PreparedStatement statement, PGConnection connection, List<Item> items)
        throws SQLException;
  }

  /** What happens inside a transaction. */
  interface Body {
    void run(Connection connection) throws Exception;
  }

  private final DataSource dataSource;

  JdbcWrites(DataSource dataSource) {
    this.dataSource = dataSource;
  }

  WriteWay addBatch(String sql, Binder binder, int size) {
    return rows ->
        inTransaction(
            dataSource,
            connection -> {
              try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int i = 0; i < rows.size(); i++) {
                  binder.bind(statement, rows.get(i));
                  statement.addBatch();
                  if ((i + 1) % size == 0 || i == rows.size() - 1) {
                    statement.executeBatch();
                  }
                }
              }
            });
  }

  WriteWay rowAtATime(String sql, Binder binder) {
    return rows -> inTransaction(dataSource, connection -> each(connection, sql, binder, rows));
  }

  WriteWay rowAtATimeAutocommit(String sql, Binder binder) {
    return rows -> {
      try (Connection connection = dataSource.getConnection()) {
        each(connection, sql, binder, rows);
      }
    };
  }

  private static void each(Connection connection, String sql, Binder binder, List<Item> rows)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (Item row : rows) {
        binder.bind(statement, row);
        statement.executeUpdate();
      }
    }
  }

  WriteWay arrays(String sql, ArrayBinder binder, int size) {
    return rows ->
        inTransaction(
            dataSource,
            connection -> {
              PGConnection driver = connection.unwrap(PGConnection.class);
              try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int from = 0; from < rows.size(); from += size) {
                  binder.bind(
                      statement, driver, rows.subList(from, Math.min(rows.size(), from + size)));
                  statement.executeUpdate();
                }
              }
            });
  }

  /** All rows in one statement, which is its own transaction. */
  WriteWay arraysAutocommit(String sql, ArrayBinder binder) {
    return rows -> {
      try (Connection connection = dataSource.getConnection();
          PreparedStatement statement = connection.prepareStatement(sql)) {
        binder.bind(statement, connection.unwrap(PGConnection.class), rows);
        statement.executeUpdate();
      }
    };
  }

  static void inTransaction(DataSource dataSource, Body body) throws Exception {
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      body.run(connection);
      connection.commit();
      connection.setAutoCommit(true);
    }
  }

  static void bindAll(PreparedStatement statement, Item item) throws SQLException {
    statement.setLong(1, item.id());
    statement.setInt(2, item.accountId());
    statement.setInt(3, item.status());
    statement.setObject(4, item.madeAt());
    statement.setBigDecimal(5, item.amount());
    statement.setString(6, item.name());
  }

  static void bindChanges(PreparedStatement statement, Item item) throws SQLException {
    statement.setInt(1, item.status());
    statement.setBigDecimal(2, item.amount());
    statement.setLong(3, item.id());
  }

  /** Primitive arrays travel in binary; the others as text, which the driver makes of them. */
  static void bindArrays(PreparedStatement statement, PGConnection connection, List<Item> items)
      throws SQLException {
    int size = items.size();
    long[] ids = new long[size];
    int[] accounts = new int[size];
    int[] statuses = new int[size];
    OffsetDateTime[] times = new OffsetDateTime[size];
    BigDecimal[] amounts = new BigDecimal[size];
    String[] names = new String[size];
    for (int i = 0; i < size; i++) {
      Item item = items.get(i);
      ids[i] = item.id();
      accounts[i] = item.accountId();
      statuses[i] = item.status();
      times[i] = item.madeAt();
      amounts[i] = item.amount();
      names[i] = item.name();
    }
    statement.setArray(1, connection.createArrayOf("int8", ids));
    statement.setArray(2, connection.createArrayOf("int4", accounts));
    statement.setArray(3, connection.createArrayOf("int4", statuses));
    statement.setArray(4, connection.createArrayOf("timestamptz", times));
    statement.setArray(5, connection.createArrayOf("numeric", amounts));
    statement.setArray(6, connection.createArrayOf("text", names));
  }

  static void bindChangeArrays(
      PreparedStatement statement, PGConnection connection, List<Item> items) throws SQLException {
    int size = items.size();
    long[] ids = new long[size];
    int[] statuses = new int[size];
    BigDecimal[] amounts = new BigDecimal[size];
    for (int i = 0; i < size; i++) {
      Item item = items.get(i);
      ids[i] = item.id();
      statuses[i] = item.status();
      amounts[i] = item.amount();
    }
    statement.setArray(1, connection.createArrayOf("int8", ids));
    statement.setArray(2, connection.createArrayOf("int4", statuses));
    statement.setArray(3, connection.createArrayOf("numeric", amounts));
  }
}
