package dev.pgbelay.benchmarks.writes;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;

/** A statement and a commit for each row, on a connection of the pool. */
final class SingleWrites implements RowWriter {
  private final HikariDataSource pool;

  SingleWrites(String url, int connections) {
    HikariConfig config = BenchServer.poolConfig(url);
    config.setMaximumPoolSize(connections);
    this.pool = new HikariDataSource(config);
  }

  @Override
  public void write(Item item) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement = connection.prepareStatement(WriteSql.UPSERT_ROW)) {
      JdbcWrites.bindAll(statement, item);
      statement.executeUpdate();
    }
  }

  @Override
  public void close() {
    pool.close();
  }
}
