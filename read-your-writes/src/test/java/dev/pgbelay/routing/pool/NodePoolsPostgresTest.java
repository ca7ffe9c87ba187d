package dev.pgbelay.routing.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.NodeState;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.RoutingException;
import dev.pgbelay.routing.Session;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class NodePoolsPostgresTest {
  private static final Duration LONG = Duration.ofSeconds(20);
  private static PostgresCluster cluster;

  private final List<AutoCloseable> opened = new ArrayList<>();

  @BeforeAll
  static void start() {
    cluster = PostgresCluster.builder().replicas(2).start();
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  private <T extends AutoCloseable> T kept(T closed) {
    opened.add(closed);
    return closed;
  }

  private static String host(PostgresNode node) {
    return "127.0.0.1:" + node.address().getPort();
  }

  private static String url(PostgresNode... nodes) {
    List<String> hosts = new ArrayList<>();
    for (PostgresNode node : nodes) {
      hosts.add(host(node));
    }
    return "jdbc:postgresql://" + String.join(",", hosts) + "/postgres";
  }

  private static NodePools.Builder builder() {
    return NodePools.builder().credentials("postgres", "postgres");
  }

  private static PostgresNode replica(int number) {
    return cluster.replicas().get(number - 1);
  }

  @Test
  void urlOfSeveralHosts_isRouted_whereverThePrimaryStandsInIt() {
    NodePools pools =
        kept(
            builder()
                .urls(
                    url(replica(1), cluster.primary(), replica(2)) + "?targetServerType=secondary")
                .replicatingProbes()
                .build());
    ReadYourWrites db = kept(pools.routing().probeInterval(Duration.ofMillis(20)).start());
    Session session = db.session();

    db.write(session, tx -> tx.dsl().execute("CREATE TABLE routed AS SELECT 1 AS one"));
    await()
        .atMost(LONG)
        .until(
            () -> {
              assertThat(
                      db.<Object, RuntimeException>read(
                          session, tx -> tx.dsl().fetchValue("SELECT one FROM routed")))
                  .isEqualTo(1);
              return session.lastDecision().orElseThrow().reason().isReplica();
            });

    assertThat(db.nodes().get(0).name())
        .isEqualTo("node-127.0.0.1-" + cluster.primary().address().getPort());
    assertThat(db.nodes()).extracting(NodeState::role).contains(NodeState.Role.PRIMARY);
    assertThat(db.nodes()).hasSize(3);
  }

  @Test
  void pools_areAlike_andDoNotWaitForEver() {
    NodePools pools =
        kept(
            builder()
                .node("a", url(cluster.primary()))
                .node("b", url(replica(1)))
                .size(7)
                .connectionTimeout(Duration.ofMillis(1_500))
                .socketTimeout(Duration.ofSeconds(9))
                .hikari(config -> config.setMaxLifetime(60_000))
                .build());

    for (DatabaseNode node : pools.nodes()) {
      assertThat(node.pool())
          .isInstanceOfSatisfying(
              HikariDataSource.class,
              pool -> {
                assertThat(pool.getPoolName()).isEqualTo("pgbelay-" + node.name());
                assertThat(pool.getMaximumPoolSize()).isEqualTo(7);
                assertThat(pool.getConnectionTimeout()).isEqualTo(1_500);
                assertThat(pool.getMaxLifetime()).isEqualTo(60_000);
                assertThat(pool.isReadOnly()).isFalse();
                assertThat(pool.getTransactionIsolation()).isEqualTo("TRANSACTION_READ_COMMITTED");
                assertThat(pool.getDataSourceProperties())
                    .containsEntry("socketTimeout", "9")
                    .containsEntry("connectTimeout", "2")
                    .containsEntry("tcpKeepAlive", "true");
              });
    }
  }

  @Test
  void nodesThatDoNotMakeACluster_areRefusedByName() {
    assertThatThrownBy(() -> builder().build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("no node");
    assertThatThrownBy(() -> builder().node("a", url(cluster.primary())).build())
        .hasMessageContaining("one node, [a]");
    assertThatThrownBy(() -> builder().node("a", url(cluster.primary())).node("a", url(replica(1))))
        .hasMessageContaining("'a' is named twice");
    assertThatThrownBy(() -> builder().size(0).build()).hasMessageContaining("size must be");
    assertThatThrownBy(() -> builder().connectionTimeout(Duration.ZERO).build())
        .hasMessageContaining("connectionTimeout must be");
    assertThatThrownBy(() -> builder().socketTimeout(Duration.ZERO).build())
        .hasMessageContaining("socketTimeout must be");

    NodePools replicas =
        kept(builder().node("b", url(replica(1))).node("c", url(replica(2))).build());
    assertThatThrownBy(replicas::routing).hasMessageContaining("nodes [b, c] are replicas all");

    NodePools twice =
        kept(builder().node("a", url(cluster.primary())).node("z", url(cluster.primary())).build());
    assertThatThrownBy(twice::routing).hasMessageContaining("nodes [a, z] accept writes all");

    NodePools silent =
        kept(
            builder()
                .node("a", url(cluster.primary()))
                .node("gone", "jdbc:postgresql://127.0.0.1:1/postgres")
                .build());
    assertThatThrownBy(silent::routing).hasMessageContaining("node 'gone' does not say");
  }

  @Test
  void nodes_comeAndGoWhileWorkGoesOn() {
    NodePools pools =
        kept(builder().node("a", url(cluster.primary())).node("b", url(replica(1))).build());
    ReadYourWrites db = kept(pools.routing().probeInterval(Duration.ofMillis(20)).start());

    db.addReplica(pools.add("c", url(replica(2))));
    assertThatThrownBy(() -> pools.add("c", url(replica(2))))
        .hasMessageContaining("'c' is named twice");
    DatabaseNode removed = pools.nodes().get(1);
    assertThat(db.removeReplica("b", Duration.ofSeconds(5))).isZero();
    pools.remove("b");

    Session session = db.session();
    Object one = db.<Object, RuntimeException>read(session, tx -> tx.dsl().fetchValue("SELECT 1"));
    assertThat(one).isEqualTo(1);
    assertThat(session.lastDecision().orElseThrow().node()).isEqualTo("c");
    assertThat(((HikariDataSource) removed.pool()).isClosed()).isTrue();
    assertThatThrownBy(() -> pools.remove("b")).hasMessageContaining("no node 'b'");
    assertThatThrownBy(() -> db.removeReplica("b", Duration.ZERO))
        .isInstanceOf(RoutingException.class)
        .hasMessageContaining("'b' is not there");
  }
}
