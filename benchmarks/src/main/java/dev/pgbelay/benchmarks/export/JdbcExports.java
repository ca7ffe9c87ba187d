package dev.pgbelay.benchmarks.export;

import dev.pgbelay.benchmarks.events.Event;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;

/** Exports as one writes them by hand. */
final class JdbcExports {
  private JdbcExports() {}

  /** The server's fastest way out; nothing looks into the lines. */
  static void copyTo(DataSource dataSource, long lastId, boolean whole, ExportMeter meter)
      throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      CopyOut copy =
          connection.unwrap(PGConnection.class).getCopyAPI().copyOut(ExportSql.copy(lastId, whole));
      long number = 0;
      for (byte[] line = copy.readFromCopy(); line != null; line = copy.readFromCopy()) {
        meter.line(line.length, ++number);
      }
    }
  }

  /** Pages by primary key; a connection from the pool for each. */
  static ExportWay keysetLoop(int pageSize) {
    return (dataSource, lastId, whole, meter) -> {
      long after = 0;
      int size;
      do {
        size = 0;
        try (Connection connection = dataSource.getConnection();
            PreparedStatement page = connection.prepareStatement(ExportSql.SELECT_PAGE)) {
          page.setLong(1, after);
          page.setLong(2, lastId);
          page.setInt(3, pageSize);
          try (ResultSet rows = page.executeQuery()) {
            while (rows.next()) {
              Event event = Event.of(rows);
              meter.row(event);
              after = event.id();
              size++;
            }
          }
        }
      } while (size == pageSize);
    };
  }

  /**
   * A portal that the driver fetches from in batches: needs a transaction as long as the export.
   */
  static ExportWay serverCursor(int fetchSize) {
    return (dataSource, lastId, whole, meter) -> {
      try (Connection connection = dataSource.getConnection()) {
        connection.setAutoCommit(false);
        readAll(connection, fetchSize, lastId, meter);
        connection.commit();
      }
    };
  }

  /** What {@code executeQuery} does when nobody sets a fetch size: all rows in memory first. */
  static void driverDefault(DataSource dataSource, long lastId, boolean whole, ExportMeter meter)
      throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      readAll(connection, 0, lastId, meter);
    }
  }

  private static void readAll(Connection connection, int fetchSize, long lastId, ExportMeter meter)
      throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(ExportSql.SELECT_UP_TO)) {
      select.setLong(1, lastId);
      select.setFetchSize(fetchSize);
      try (ResultSet rows = select.executeQuery()) {
        while (rows.next()) {
          meter.row(Event.of(rows));
        }
      }
    }
  }
}
