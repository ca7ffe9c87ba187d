package dev.pgbelay.examples.demo.routing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.postgresql.ds.PGSimpleDataSource;

/** A primary and two replicas that lag as they are told to, one of which can take over. */
final class Servers implements AutoCloseable {
  private static final int CONNECTIONS = 8;

  private final PostgresCluster cluster;
  private final PostgresNode old;
  private final PostgresNode heir;
  private final PostgresNode other;
  private final HikariDataSource primaryPool;
  private final List<HikariDataSource> replicaPools = new ArrayList<>();

  private final List<HikariDataSource> wholes = new ArrayList<>();

  /** By which a visitor without sessions goes. */
  record Ways(DSLContext primary, List<DSLContext> replicas) {}

  Servers() {
    this.cluster = PostgresCluster.builder().replicas(2).replicasThroughProxy().start();
    this.old = cluster.primary();
    this.heir = cluster.replicas().get(0);
    this.other = cluster.replicas().get(1);
    this.primaryPool = pool(old.jdbcUrl());
    cluster.replicas().forEach(replica -> replicaPools.add(pool(replica.jdbcUrl())));
  }

  /** A pool for each server, whatever it is. */
  Ways each() {
    return new Ways(dsl(primaryPool), replicaPools.stream().map(Servers::dsl).toList());
  }

  /** Two pools of all servers; the driver finds those that are what is asked for. */
  Ways byRole() {
    return new Ways(dsl(whole("primary")), List.of(dsl(whole("secondary"))));
  }

  /** From now on the replicas are that far behind. */
  void lag(Duration first, Duration second) {
    heir.awaitCaughtUp();
    other.awaitCaughtUp();
    heir.lag(first);
    other.lag(second);
  }

  ReadYourWrites routed() {
    return ReadYourWrites.builder(node(old, primaryPool))
        .replica(node(heir, replicaPools.get(0)))
        .replica(node(other, replicaPools.get(1)))
        .onLost(lost -> {})
        .start();
  }

  /** From now on nothing that is committed leaves the primary. */
  void cutReplication() {
    // The other one first: it must not have more than the one that takes over.
    stream(other).freeze();
    stream(heir).freeze();
  }

  /** The primary dies, a replica takes over with what it has, the other follows it. */
  void failOver() {
    old.crash();
    stream(heir).dropConnections();
    heir.promote();
    other.configure("primary_slot_name", "");
    other.configure(
        "primary_conninfo",
        "host=127.0.0.1 port=%d user=postgres application_name=%s"
            .formatted(heir.address().getPort(), other.name()));
    other.awaitCaughtUp();
  }

  private static FaultProxy stream(PostgresNode replica) {
    return replica.upstreamProxy().orElseThrow();
  }

  private static DatabaseNode node(PostgresNode node, DataSource pool) {
    PGSimpleDataSource probes = new PGSimpleDataSource();
    // They tell where a timeline was left, too.
    probes.setUrl(
        node.jdbcUrl() + "&replication=database&preferQueryMode=simple&assumeMinServerVersion=15");
    return DatabaseNode.of(node.name(), pool, probes);
  }

  private HikariDataSource whole(String role) {
    String hosts =
        Stream.of(old, heir, other)
            .map(node -> "127.0.0.1:" + node.address().getPort())
            .collect(Collectors.joining(","));
    HikariDataSource pool =
        pool(
            old.jdbcUrl().replaceFirst("//[^/]+/", "//" + hosts + "/")
                + "&loadBalanceHosts=true&hostRecheckSeconds=0&targetServerType="
                + role);
    wholes.add(pool);
    return pool;
  }

  private static DSLContext dsl(DataSource pool) {
    return DSL.using(pool, SQLDialect.POSTGRES);
  }

  private static HikariDataSource pool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(CONNECTIONS);
    return new HikariDataSource(config);
  }

  @Override
  public void close() {
    wholes.forEach(HikariDataSource::close);
    replicaPools.forEach(HikariDataSource::close);
    primaryPool.close();
    cluster.close();
  }
}
