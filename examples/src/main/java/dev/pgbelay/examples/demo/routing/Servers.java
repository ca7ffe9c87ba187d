package dev.pgbelay.examples.demo.routing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A primary and two replicas, one of which is having a bad day. */
final class Servers implements AutoCloseable {
  private static final Duration USUAL = Duration.ofMillis(50);
  private static final Duration BAD_DAY = Duration.ofSeconds(3);
  private static final int CONNECTIONS = 8;

  private final PostgresCluster cluster;
  private final HikariDataSource primaryPool;
  private final List<HikariDataSource> replicaPools = new ArrayList<>();

  Servers() {
    this.cluster = PostgresCluster.builder().replicas(2).start();
    this.primaryPool = pool(cluster.primary());
    cluster.replicas().forEach(replica -> replicaPools.add(pool(replica)));
  }

  DataSource primaryPool() {
    return primaryPool;
  }

  List<HikariDataSource> replicaPools() {
    return replicaPools;
  }

  /** From now on the replicas are behind: one a little, the other for longer than a pin lasts. */
  void lag() {
    cluster.replicas().forEach(PostgresNode::awaitCaughtUp);
    cluster.replicas().get(0).lag(USUAL);
    cluster.replicas().get(1).lag(BAD_DAY);
  }

  ReadYourWrites routed() {
    return ReadYourWrites.builder(node(cluster.primary(), primaryPool))
        .replica(node(cluster.replicas().get(0), replicaPools.get(0)))
        .replica(node(cluster.replicas().get(1), replicaPools.get(1)))
        .start();
  }

  private static DatabaseNode node(PostgresNode node, DataSource pool) {
    PGSimpleDataSource probes = new PGSimpleDataSource();
    probes.setUrl(node.jdbcUrl());
    return DatabaseNode.of(node.name(), pool, probes);
  }

  private static HikariDataSource pool(PostgresNode node) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(node.jdbcUrl());
    config.setMaximumPoolSize(CONNECTIONS);
    return new HikariDataSource(config);
  }

  @Override
  public void close() {
    replicaPools.forEach(HikariDataSource::close);
    primaryPool.close();
    cluster.close();
  }
}
