package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.benchmarks.Work;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.postgresql.PGConnection;

/** The rows that are written, and the table that they are written to. */
final class Items {
  /** What the table holds before it is written to; the rows there differ in status and amount. */
  enum Before {
    NOTHING,
    EVERY_SECOND_ROW,
    ALL_ROWS
  }

  private final DataSource dataSource;
  private final Before before;
  private final List<Item> rows;
  private final byte[] copyBinary;

  private Items(DataSource dataSource, Before before, List<Item> rows, byte[] copyBinary) {
    this.dataSource = dataSource;
    this.before = before;
    this.rows = rows;
    this.copyBinary = copyBinary;
  }

  /**
   * @param shuffled whether the rows come in any order instead of that of their key
   */
  static Items load(DataSource dataSource, long count, boolean shuffled, Before before)
      throws SQLException, IOException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        PreparedStatement fill = connection.prepareStatement(ItemsSql.FILL_SOURCE)) {
      statement.execute(ItemsSql.CREATE_TABLES);
      fill.setBoolean(1, shuffled);
      fill.setLong(2, count);
      fill.executeUpdate();
      List<Item> rows = new ArrayList<>();
      try (ResultSet result = statement.executeQuery(ItemsSql.READ_SOURCE)) {
        while (result.next()) {
          rows.add(
              new Item(
                  result.getLong(1),
                  result.getInt(2),
                  result.getInt(3),
                  result.getObject(4, OffsetDateTime.class),
                  result.getBigDecimal(5),
                  result.getString(6)));
        }
      }
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      connection.unwrap(PGConnection.class).getCopyAPI().copyOut(ItemsSql.COPY_SOURCE, bytes);
      return new Items(dataSource, before, List.copyOf(rows), bytes.toByteArray());
    }
  }

  List<Item> rows() {
    return rows;
  }

  /** All rows as COPY BINARY has them: made by the server, so nobody encodes anything. */
  byte[] copyBinary() {
    return copyBinary;
  }

  /** The table as it was before anybody wrote. */
  void reset() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        PreparedStatement insert = connection.prepareStatement(ItemsSql.INSERT_OLD)) {
      statement.execute(ItemsSql.TRUNCATE);
      if (before != Before.NOTHING) {
        insert.setBoolean(1, before == Before.ALL_ROWS);
        insert.executeUpdate();
        statement.execute(ItemsSql.VACUUM_ANALYZE);
      }
    }
  }

  Work seen() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement sum = connection.prepareStatement(ItemsSql.SUM_UP)) {
      return work(sum);
    }
  }

  /** What the table must hold after the first {@code written} rows were written. */
  Work expected(int written) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement sum = connection.prepareStatement(ItemsSql.EXPECT)) {
      sum.setLong(1, written);
      sum.setLong(2, written);
      sum.setBoolean(3, before != Before.NOTHING);
      sum.setBoolean(4, before == Before.ALL_ROWS);
      return work(sum);
    }
  }

  private static Work work(PreparedStatement sum) throws SQLException {
    try (ResultSet result = sum.executeQuery()) {
      result.next();
      return new Work(result.getLong(1), result.getLong(2));
    }
  }
}
