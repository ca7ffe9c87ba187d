package dev.pgbelay.core;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;

/** HikariCP pools as the tests of this package use them. */
final class Pools {
  private Pools() {}

  /**
   * One that survives the cut of its very first connection; see {@link PoolFirstConnectionTest}.
   */
  static HikariDataSource pool(String jdbcUrl, int size) {
    HikariConfig config = config(size);
    config.setJdbcUrl(jdbcUrl);
    config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
    return new HikariDataSource(config);
  }

  static HikariConfig config(int size) {
    HikariConfig config = new HikariConfig();
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(5_000);
    config.setInitializationFailTimeout(-1);
    return config;
  }
}
