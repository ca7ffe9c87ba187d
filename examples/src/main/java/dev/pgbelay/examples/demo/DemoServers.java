package dev.pgbelay.examples.demo;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.ClusterException;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.nio.file.Path;
import java.time.temporal.ChronoUnit;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * The primary and the replica of a run, each behind a pool. They listen on free ports that are
 * chosen at start, and end with this JVM however it ends.
 */
final class DemoServers implements AutoCloseable {
  private static final int PRIMARY_CONNECTIONS = 12;
  private static final int REPLICA_CONNECTIONS = 4;

  private final PostgresCluster cluster;
  private final HikariDataSource primary;
  private final HikariDataSource replica;

  private DemoServers(PostgresCluster cluster) {
    this.cluster = cluster;
    this.primary = pool(cluster.primary(), PRIMARY_CONNECTIONS);
    this.replica = pool(cluster.replica(), REPLICA_CONNECTIONS);
  }

  /** Where the servers' binaries and data go. */
  static Path directory() {
    return Path.of(System.getProperty("java.io.tmpdir"));
  }

  static DemoServers start() {
    try {
      return new DemoServers(
          PostgresCluster.builder()
              .replicas(1)
              .serverConfig("shared_buffers", "256MB")
              .serverConfig("max_wal_size", "2GB")
              .start());
    } catch (ClusterException e) {
      throw new DemoException(
          "PostgreSQL could not be started in " + directory() + ": " + e.getMessage(), e);
    }
  }

  DSLContext primary() {
    return DSL.using(primary, SQLDialect.POSTGRES);
  }

  DataSource dataSource() {
    return primary;
  }

  DSLContext replica() {
    return DSL.using(replica, SQLDialect.POSTGRES);
  }

  /** Returns when the replica shows all that the primary has committed. */
  void awaitReplica() {
    cluster.replica().awaitCaughtUp();
  }

  /** The time by the primary's clock, to the second. */
  String clock() {
    return primary()
        .select(DSL.currentOffsetDateTime())
        .fetchSingle()
        .value1()
        .truncatedTo(ChronoUnit.SECONDS)
        .toString();
  }

  /** The primary's version. */
  String version() {
    return primary()
        .select(DSL.function("current_setting", String.class, DSL.inline("server_version")))
        .fetchSingle()
        .value1();
  }

  private static HikariDataSource pool(PostgresNode node, int connections) {
    HikariConfig config = new HikariConfig();
    config.setPoolName("demo-" + node.name());
    config.setJdbcUrl(node.jdbcUrl());
    config.setMaximumPoolSize(connections);
    return new HikariDataSource(config);
  }

  @Override
  public void close() {
    replica.close();
    primary.close();
    cluster.close();
  }
}
