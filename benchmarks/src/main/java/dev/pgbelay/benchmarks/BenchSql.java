package dev.pgbelay.benchmarks;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

final class BenchSql {
  private static final String SHOW_SERVER_VERSION =
      """
      show server_version
      """;

  private BenchSql() {}

  static String serverVersion(DataSource dataSource) {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(SHOW_SERVER_VERSION)) {
      rows.next();
      return rows.getString(1);
    } catch (SQLException e) {
      throw new IllegalStateException("the benchmark's server does not answer", e);
    }
  }
}
