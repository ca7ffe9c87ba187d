package dev.pgbelay.routing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.postgresql.ds.PGSimpleDataSource;

/** A primary and replicas of one test class, with pools as a service has them. */
final class Cluster implements AutoCloseable {
  private final PostgresCluster servers;
  private final List<HikariDataSource> pools = new ArrayList<>();
  private final List<ReadYourWrites> opened = new ArrayList<>();

  Cluster(int replicas) {
    this(PostgresCluster.builder().replicas(replicas).start());
  }

  Cluster(PostgresCluster servers) {
    this.servers = servers;
    execute("CREATE TABLE profile (id integer PRIMARY KEY, name text NOT NULL)");
    execute("INSERT INTO profile SELECT g, 'name ' || g FROM generate_series(1, 100) AS g");
    servers.replicas().forEach(PostgresNode::awaitCaughtUp);
  }

  PostgresCluster servers() {
    return servers;
  }

  PostgresNode primary() {
    return servers.primary();
  }

  PostgresNode replica(int number) {
    return servers.replicas().get(number - 1);
  }

  DatabaseNode node(PostgresNode node) {
    return node(node, node.jdbcUrl(), node.jdbcUrl());
  }

  DatabaseNode node(PostgresNode node, String url, String probeUrl) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(8);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(2_000);
    config.setInitializationFailTimeout(-1);
    HikariDataSource pool = new HikariDataSource(config);
    pools.add(pool);
    PGSimpleDataSource probes = new PGSimpleDataSource();
    probes.setUrl(probeUrl);
    return DatabaseNode.of(node.name(), pool, probes);
  }

  /** Whose probes also speak the replication protocol. */
  DatabaseNode exact(PostgresNode node) {
    return node(node, node.jdbcUrl(), replicating(node));
  }

  String replicating(PostgresNode node) {
    return node.jdbcUrl()
        + (node.jdbcUrl().contains("?") ? "&" : "?")
        + "replication=database&preferQueryMode=simple&assumeMinServerVersion=15";
  }

  /** Lets a replica follow another server than the one it was copied from. */
  void follow(PostgresNode replica, PostgresNode upstream) {
    try (Connection connection = upstream.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(
          "SELECT pg_create_physical_replication_slot('again_" + replica.name() + "', true)");
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
    replica.configure("primary_slot_name", "again_" + replica.name());
    replica.configure(
        "primary_conninfo",
        "host=127.0.0.1 port="
            + upstream.address().getPort()
            + " user=postgres application_name="
            + replica.name());
  }

  /** With all replicas. */
  ReadYourWrites open(UnaryOperator<ReadYourWritesBuilder> configure) {
    ReadYourWritesBuilder builder = ReadYourWrites.builder(node(servers.primary()));
    servers.replicas().stream()
        .filter(node -> node != servers.primary())
        .forEach(node -> builder.replica(node(node)));
    return start(configure.apply(builder.probeInterval(Duration.ofMillis(20))));
  }

  ReadYourWrites start(ReadYourWritesBuilder builder) {
    ReadYourWrites routing = builder.start();
    opened.add(routing);
    return routing;
  }

  void execute(String sql) {
    try (Connection connection = servers.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Ends what a test has opened. */
  void endTest() {
    opened.forEach(ReadYourWrites::close);
    opened.clear();
    pools.forEach(HikariDataSource::close);
    pools.clear();
  }

  @Override
  public void close() {
    endTest();
    servers.close();
  }
}
