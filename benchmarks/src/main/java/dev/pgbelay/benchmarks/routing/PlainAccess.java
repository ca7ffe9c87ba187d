package dev.pgbelay.benchmarks.routing;

import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;

/** By hand on plain pools. */
record PlainAccess(DataSource primary, DataSource replica) implements Access {
  @Override
  public long read(int id) throws SQLException {
    try (Connection connection = replica.getConnection()) {
      connection.setReadOnly(true);
      connection.setAutoCommit(false);
      return run(connection, ProfileSql.READ, id);
    }
  }

  @Override
  public long write(int id) throws SQLException {
    try (Connection connection = primary.getConnection()) {
      connection.setAutoCommit(false);
      return run(connection, ProfileSql.WRITE, id);
    }
  }

  /** The pool takes both settings back. */
  private static long run(Connection connection, String sql, int id) throws SQLException {
    try {
      long version = Access.version(connection, sql, id);
      connection.commit();
      return version;
    } catch (SQLException e) {
      connection.rollback();
      throw e;
    }
  }
}
