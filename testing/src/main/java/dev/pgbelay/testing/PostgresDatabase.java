package dev.pgbelay.testing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.observe.StatementObserver;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.ZoneId;
import java.util.List;
import javax.sql.DataSource;

/**
 * A database for tests, with a pool to it: that of a test class, which the {@link
 * PostgresExtension} that made it closes and drops, or one made by {@link
 * PostgresCluster#createDatabase}, which its maker closes. Safe for use by several threads.
 */
public final class PostgresDatabase implements AutoCloseable {
  private final PostgresCluster cluster;
  private final String name;
  private final Sessions sessions;
  private final HikariDataSource pool;
  private final DataSource dataSource;

  /**
   * What the pool's sessions are like.
   *
   * @param apart whether the database belongs to who made it, not to a test class
   */
  record Sessions(String applicationName, ZoneId zone, int poolSize, boolean apart) {}

  PostgresDatabase(
      PostgresCluster cluster, String name, List<StatementObserver> observers, Sessions sessions) {
    this.cluster = cluster;
    this.name = name;
    this.sessions = sessions;
    HikariConfig config = new HikariConfig();
    config.setPoolName(sessions.applicationName());
    config.setJdbcUrl(jdbcUrl());
    config.addDataSourceProperty("ApplicationName", sessions.applicationName());
    config.setConnectionInitSql(sessionZoneSql());
    config.setMaximumPoolSize(sessions.poolSize());
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    config.setInitializationFailTimeout(-1);
    this.pool = new HikariDataSource(config);
    this.dataSource = observers.isEmpty() ? pool : ObservedDataSource.of(pool, observers);
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

  /** A HikariCP pool on this database, watched by observers, closed after the test class. */
  public DataSource dataSource() {
    return dataSource;
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

  /** See {@link PostgresNode#holdTransaction}. */
  public HeldTransaction holdTransaction(String... statements) throws SQLException {
    return cluster.primary().holdTransaction(name, statements);
  }

  /**
   * Closes the pool and drops the database, whoever is still connected to it.
   *
   * @throws IllegalStateException if the database belongs to a {@link PostgresExtension}
   * @throws ClusterException if it cannot be dropped
   */
  @Override
  public void close() {
    if (!sessions.apart()) {
      throw new IllegalStateException(
          "the database of a test class is closed by its PostgresExtension: do not close it");
    }
    pool.close();
    if (cluster.isOpen()) {
      try {
        TestDatabases.drop(this);
      } catch (SQLException e) {
        throw new ClusterException("cannot drop database " + name, e);
      }
    }
  }

  HikariDataSource pool() {
    return pool;
  }

  private String sessionZoneSql() {
    return DatabaseSql.SET_SESSION_ZONE.formatted("'" + sessions.zone().getId() + "'");
  }

  @Override
  public String toString() {
    return "PostgresDatabase[" + name + "]";
  }
}
