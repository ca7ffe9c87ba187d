package dev.pgbelay.testing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.ZoneId;
import javax.sql.DataSource;

/**
 * A database that exists for one test class. Closing and dropping it is the business of the {@link
 * PostgresExtension} that made it. Safe for use by several threads.
 */
public final class PostgresDatabase {
  private final PostgresCluster cluster;
  private final String name;
  private final ZoneId sessionZone;
  private final HikariDataSource pool;

  PostgresDatabase(
      PostgresCluster cluster, String name, String owner, ZoneId sessionZone, int poolSize) {
    this.cluster = cluster;
    this.name = name;
    this.sessionZone = sessionZone;
    HikariConfig config = new HikariConfig();
    config.setPoolName(owner);
    config.setJdbcUrl(jdbcUrl());
    config.addDataSourceProperty("ApplicationName", owner);
    config.setConnectionInitSql(sessionZoneSql());
    config.setMaximumPoolSize(poolSize);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    config.setInitializationFailTimeout(-1);
    this.pool = new HikariDataSource(config);
  }

  /** The server the database is on. */
  public PostgresCluster cluster() {
    return cluster;
  }

  /** The database's name. */
  public String name() {
    return name;
  }

  /**
   * A URL that needs neither user nor password beside it. Sessions opened by it have the time zone
   * of the JVM, which the driver sends at connect; those of {@link #dataSource()} and {@link
   * #connect()} have another one on purpose.
   */
  public String jdbcUrl() {
    return cluster.primary().jdbcUrl(name);
  }

  /** A HikariCP pool on this database, closed after the test class. */
  public DataSource dataSource() {
    return pool;
  }

  /** A new connection outside the pool; the caller closes it. */
  public Connection connect() throws SQLException {
    Connection connection = cluster.primary().connect(name);
    try (Statement statement = connection.createStatement()) {
      statement.execute(sessionZoneSql());
      return connection;
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }

  HikariDataSource pool() {
    return pool;
  }

  private String sessionZoneSql() {
    return DatabaseSql.SET_SESSION_ZONE.formatted("'" + sessionZone.getId() + "'");
  }

  @Override
  public String toString() {
    return "PostgresDatabase[" + name + "]";
  }
}
