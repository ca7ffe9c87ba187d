package dev.pgbelay.benchmarks;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

final class BenchSql {
  private static final String DESCRIBE_SERVER =
      """
      select 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
             || ', fsync ' || current_setting('fsync')
             || ', synchronous_commit ' || current_setting('synchronous_commit')
             || ', shared_buffers ' || current_setting('shared_buffers')
             || ', random_page_cost ' || current_setting('random_page_cost')
      """;

  private static final String SHOW_BACKEND_PID =
      """
      select pg_backend_pid()
      """;

  private static final String SHOW_DATABASE =
      """
      select current_database()
      """;

  private BenchSql() {}

  static String serverDescription(DataSource dataSource) {
    return single(dataSource, DESCRIBE_SERVER);
  }

  /** Of one of the pool's connections. */
  static long backendPid(DataSource dataSource) {
    return Long.parseLong(single(dataSource, SHOW_BACKEND_PID));
  }

  static String database(DataSource dataSource) {
    return single(dataSource, SHOW_DATABASE);
  }

  private static String single(DataSource dataSource, String sql) {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    } catch (SQLException e) {
      throw new IllegalStateException("the benchmark's server does not answer", e);
    }
  }
}
