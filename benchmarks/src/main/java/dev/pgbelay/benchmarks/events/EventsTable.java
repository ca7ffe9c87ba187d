package dev.pgbelay.benchmarks.events;

import dev.pgbelay.benchmarks.Work;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/**
 * The table {@code events}: production-shaped, the same on every run (its values come from hashes
 * of the row number), 55 % of it owned by account {@value #LARGE_ACCOUNT}, with an index for every
 * shape of order.
 */
public final class EventsTable {
  /** The tenant that outgrew the others. */
  public static final int LARGE_ACCOUNT = 1;

  private final DataSource dataSource;
  private final long rows;

  private EventsTable(DataSource dataSource, long rows) {
    this.dataSource = dataSource;
    this.rows = rows;
  }

  /**
   * Loads the table unless it is there already with that many rows; then vacuums and analyses it.
   */
  public static EventsTable load(DataSource dataSource, long rows) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      if (!isLoaded(statement, rows)) {
        statement.execute(EventsSql.CREATE_TABLE);
        try (PreparedStatement fill = connection.prepareStatement(EventsSql.FILL)) {
          fill.setLong(1, rows);
          fill.executeUpdate();
        }
        for (String index : EventsSql.CREATE_INDEXES) {
          statement.execute(index);
        }
        statement.execute(EventsSql.VACUUM_ANALYZE);
        statement.execute(EventsSql.CHECKPOINT);
      }
    }
    return new EventsTable(dataSource, rows);
  }

  /** How many rows there are; their ids are 1 to this number. */
  public long rows() {
    return rows;
  }

  /** How many rows the large account owns. */
  public long rowsOfLargeAccount() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement count = connection.prepareStatement(EventsSql.COUNT_OF_ACCOUNT)) {
      count.setInt(1, LARGE_ACCOUNT);
      try (ResultSet result = count.executeQuery()) {
        result.next();
        return result.getLong(1);
      }
    }
  }

  /**
   * What a contestant must have seen after reading all rows up to an id.
   *
   * @param ofRows count and sum of {@link Event#checksum()}, in any order
   * @param ofCopy count and bytes in COPY's text format
   */
  public record Totals(Work ofRows, Work ofCopy) {}

  public Totals totals(long lastId) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement sum = connection.prepareStatement(EventsSql.SUM_UP)) {
      sum.setLong(1, lastId);
      try (ResultSet result = sum.executeQuery()) {
        result.next();
        long count = result.getLong(1);
        BigDecimal checksum = result.getBigDecimal(2);
        return new Totals(
            new Work(count, checksum == null ? 0 : checksum.longValue()),
            new Work(count, result.getLong(3)));
      }
    }
  }

  private static boolean isLoaded(Statement statement, long rows) throws SQLException {
    try (ResultSet table = statement.executeQuery(EventsSql.FIND_TABLE)) {
      table.next();
      if (!table.getBoolean(1)) {
        return false;
      }
    }
    try (ResultSet result = statement.executeQuery(EventsSql.COUNT_ALL)) {
      result.next();
      return result.getLong(1) == rows;
    }
  }
}
