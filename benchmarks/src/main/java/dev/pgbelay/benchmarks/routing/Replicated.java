package dev.pgbelay.benchmarks.routing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.ReadYourWritesBuilder;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A primary and two replicas, each with a pool. */
final class Replicated implements AutoCloseable {
  /** A thousand sessions that waited come at once. */
  private static final long POOL_PATIENCE_MS = 60_000;

  private static final String PROBES = "bench-probe-";

  private final List<Runnable> opened = new ArrayList<>();
  private final PostgresCluster cluster;
  private final HikariDataSource primaryPool;
  private final List<HikariDataSource> replicaPools = new ArrayList<>();

  Replicated() throws SQLException {
    this.cluster =
        PostgresCluster.builder()
            .replicas(2)
            .serverConfig("fsync", "on")
            .serverConfig("synchronous_commit", "on")
            .serverConfig("full_page_writes", "on")
            .start();
    this.primaryPool = pool(cluster.primary().jdbcUrl());
    try (Connection connection = primaryPool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(ProfileSql.CREATE);
    }
    for (PostgresNode replica : cluster.replicas()) {
      replica.awaitCaughtUp();
      replicaPools.add(pool(replica.jdbcUrl()));
    }
  }

  PostgresCluster cluster() {
    return cluster;
  }

  List<PostgresNode> replicas() {
    return cluster.replicas();
  }

  HikariDataSource primaryPool() {
    return primaryPool;
  }

  HikariDataSource replicaPool(int index) {
    return replicaPools.get(index);
  }

  /** Routes to the first so many replicas; closed with this. */
  ReadYourWrites routed(int replicas) {
    String probes = PROBES + replicas;
    ReadYourWritesBuilder builder =
        ReadYourWrites.builder(node("primary", probes, cluster.primary(), primaryPool));
    for (int i = 0; i < replicas; i++) {
      builder =
          builder.replica(node("replica-" + i, probes, replicas().get(i), replicaPools.get(i)));
    }
    ReadYourWrites db = builder.start();
    opened.add(db::close);
    return db;
  }

  /** Its probes are seen on the server under a name of theirs. */
  static DatabaseNode node(String name, String application, PostgresNode node, DataSource pool) {
    PGSimpleDataSource probes = new PGSimpleDataSource();
    probes.setUrl(node.jdbcUrl());
    probes.setApplicationName(application);
    return DatabaseNode.of(name, pool, probes);
  }

  private HikariDataSource pool(String url) {
    HikariConfig config = BenchServer.poolConfig(url);
    config.setConnectionTimeout(POOL_PATIENCE_MS);
    HikariDataSource pool = new HikariDataSource(config);
    opened.add(pool::close);
    return pool;
  }

  @Override
  public void close() {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).run();
    }
    cluster.close();
  }
}
