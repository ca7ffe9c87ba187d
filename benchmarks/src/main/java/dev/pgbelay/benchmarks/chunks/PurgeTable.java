package dev.pgbelay.benchmarks.chunks;

import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/** A table whose first half is older than its retention. */
final class PurgeTable {
  private final DataSource dataSource;
  private final long rows;

  private PurgeTable(DataSource dataSource, long rows) {
    this.dataSource = dataSource;
    this.rows = rows;
  }

  static PurgeTable load(DataSource dataSource, long rows) throws SQLException {
    PurgeTable table = new PurgeTable(dataSource, rows);
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        PreparedStatement young = connection.prepareStatement(PurgeTableSql.FILL_YOUNG)) {
      statement.execute(PurgeTableSql.CREATE_TABLE);
      young.setLong(1, rows);
      young.setLong(2, rows);
      young.setLong(3, rows);
      young.executeUpdate();
      table.fillOld(connection);
      statement.execute(PurgeTableSql.ADD_PRIMARY_KEY);
      statement.execute(PurgeTableSql.ADD_INDEX);
      statement.execute(PurgeTableSql.VACUUM_ANALYZE);
    }
    return table;
  }

  private void fillOld(Connection connection) throws SQLException {
    try (PreparedStatement old = connection.prepareStatement(PurgeTableSql.FILL_OLD)) {
      old.setLong(1, rows);
      old.executeUpdate();
    }
  }

  long rows() {
    return rows;
  }

  /** All old rows are there again, nothing is left to clean up, nothing waits to be flushed. */
  void refill() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      if (seen().checksum() == 0) {
        statement.execute(PurgeTableSql.VACUUM_ANALYZE);
        fillOld(connection);
      }
      statement.execute(PurgeTableSql.VACUUM_ANALYZE);
      statement.execute(PurgeTableSql.CHECKPOINT);
    }
  }

  /** Rows, and among them old ones in place of a checksum. */
  Work seen() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery(PurgeTableSql.SUM_UP)) {
      result.next();
      return new Work(result.getLong(1), result.getLong(2));
    }
  }

  Work expected(boolean purged) {
    return purged ? new Work(rows - rows / 2, 0) : new Work(rows, rows / 2);
  }
}
