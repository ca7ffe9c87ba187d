package dev.pgbelay.benchmarks.routing;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** A transaction about one profile. */
interface Access {
  /** Its version, read in a read-only transaction. */
  long read(int id) throws SQLException;

  /** Its new version, one more than the last. */
  long write(int id) throws SQLException;

  /** The statement itself, the same in all. */
  static long version(Connection connection, String sql, int id) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setInt(1, id);
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          throw new IllegalStateException("there is no profile " + id);
        }
        return row.getLong(1);
      }
    }
  }
}
