package dev.pgbelay.routing;

import static dev.pgbelay.routing.RoutedJdbc.awaitReplicas;
import static dev.pgbelay.routing.RoutedJdbc.begin;
import static dev.pgbelay.routing.RoutedJdbc.name;
import static dev.pgbelay.routing.RoutedJdbc.node;
import static dev.pgbelay.routing.RoutedJdbc.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

/** Connections of frameworks across real promotions. A cluster for each test. */
class RoutingDataSourceFailoverTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  private static ReadYourWrites open(Cluster cluster, List<LostPosition> lost) {
    ReadYourWrites db =
        cluster.start(FailoverTest.exact(cluster).maxWait(Duration.ofSeconds(1)).onLost(lost::add));
    awaitReplicas(db);
    return db;
  }

  /** Once more for each connection to the server that has died. */
  private static String patiently(Connection connection, RoutedJdbc.Work<String> work) {
    for (int attempt = 1; ; attempt++) {
      try {
        String value = work.on(connection);
        connection.commit();
        return value;
      } catch (SQLException e) {
        assertThat(attempt).as("%s", e).isLessThan(20);
        rollBack(connection);
      }
    }
  }

  private static void rollBack(Connection connection) {
    try {
      connection.rollback();
    } catch (SQLException e) {
      assertThat(e.getSQLState()).startsWith("08");
    }
  }

  private static String renamed(Connection connection, int id, String name) {
    return patiently(
        connection,
        on -> {
          assertThat(rename(on, id, name)).isEqualTo(1);
          return name;
        });
  }

  @Test
  void keptConnections_leadToThePromotedReplica_andToTheOneThatFollowsIt() throws Exception {
    try (Cluster cluster = new Cluster(2)) {
      List<LostPosition> lost = new CopyOnWriteArrayList<>();
      ReadYourWrites db = open(cluster, lost);
      RoutingDataSource source = RoutingDataSource.of(db);
      try (ScopedSession scope = ScopedSession.open(db.session());
          Connection writes = begin(source, false);
          Connection reads = begin(source, true)) {
        assertThat(renamed(writes, 1, "before")).isEqualTo("before");
        assertThat(patiently(reads, on -> name(on, 1))).isEqualTo("before");
        cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
        PostgresNode promoted = cluster.replica(1);
        PostgresNode follower = cluster.replica(2);
        cluster.primary().crash();
        promoted.promote();
        cluster.follow(follower, promoted);
        FailoverTest.awaitPrimary(db, "replica1");

        assertThat(renamed(writes, 2, "after")).isEqualTo("after");

        assertThat(node(scope.session())).isEqualTo("replica1");
        assertThat(FailoverTest.nameOn(promoted, 2)).isEqualTo("after");
        await()
            .pollInSameThread()
            .atMost(LONG)
            .until(
                () -> {
                  assertThat(patiently(reads, on -> name(on, 1))).isEqualTo("before");
                  assertThat(patiently(reads, on -> name(on, 2))).isEqualTo("after");
                  return node(scope.session()).equals("replica2");
                });
        assertThat(lost).isEmpty();
      }
    }
  }

  /** The connection was one of a replica; its server accepts writes now. */
  @Test
  void readOnlyConnection_staysReadOnly_whenItsReplicaIsPromoted() throws Exception {
    try (Cluster cluster = new Cluster(1)) {
      ReadYourWrites db = open(cluster, new CopyOnWriteArrayList<>());
      RoutingDataSource source = RoutingDataSource.of(db);
      try (ScopedSession scope = ScopedSession.open(db.session());
          Connection reads = begin(source, true)) {
        await()
            .pollInSameThread()
            .atMost(LONG)
            .until(
                () -> {
                  String ignored = patiently(reads, on -> name(on, 1));
                  return node(scope.session()).equals("replica1");
                });
        cluster.primary().crash();
        cluster.replica(1).promote();

        await()
            .pollInSameThread()
            .atMost(LONG)
            .until(
                () -> {
                  assertThat(patiently(reads, on -> name(on, 3))).isEqualTo("name 3");
                  return !RoutedJdbc.reason(scope.session()).isReplica();
                });
        assertThat(node(scope.session())).isEqualTo("replica1");
        assertThatThrownBy(() -> rename(reads, 3, "by mistake"))
            .isInstanceOfSatisfying(
                SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25006"));
        rollBack(reads);
        assertThat(FailoverTest.nameOn(cluster.replica(1), 3)).isEqualTo("name 3");
      }
    }
  }

  @Test
  void transactionThatIsOpenOnTheOldPrimary_isNotCommittedThere_whileItStillAnswers()
      throws Exception {
    try (Cluster cluster = new Cluster(1)) {
      PostgresNode old = cluster.primary();
      ReadYourWrites db = open(cluster, new CopyOnWriteArrayList<>());
      RoutingDataSource source = RoutingDataSource.of(db);
      try (ScopedSession scope = ScopedSession.open(db.session());
          Connection writes = begin(source, false)) {
        assertThat(rename(writes, 4, "split")).isEqualTo(1);
        assertThat(node(scope.session())).isEqualTo("primary");
        cluster.replica(1).promote();
        await()
            .atMost(LONG)
            .until(
                () ->
                    db.nodes().stream().anyMatch(one -> one.role() == NodeState.Role.LEFT_BEHIND));

        assertThatThrownBy(writes::commit)
            .isInstanceOfSatisfying(
                SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08006"))
            .hasMessageContaining("nothing was committed");
        rollBack(writes);

        assertThat(renamed(writes, 4, "again")).isEqualTo("again");
        assertThat(FailoverTest.nameOn(old, 4)).isEqualTo("name 4");
        assertThat(FailoverTest.nameOn(cluster.replica(1), 4)).isEqualTo("again");
      }
    }
  }

  @Test
  void lostWrite_isToldBeforeAReadOnlyTransactionShowsItGone() throws Exception {
    try (Cluster cluster =
        new Cluster(PostgresCluster.builder().replicas(1).replicasThroughProxy().start())) {
      List<LostPosition> lost = new CopyOnWriteArrayList<>();
      ReadYourWrites db = open(cluster, lost);
      RoutingDataSource source = RoutingDataSource.of(db);
      try (ScopedSession scope = ScopedSession.open(db.session());
          Connection writes = begin(source, false);
          Connection reads = begin(source, true)) {
        assertThat(renamed(writes, 5, "kept")).isEqualTo("kept");
        cluster.replica(1).awaitCaughtUp();
        FaultProxy stream = cluster.replica(1).upstreamProxy().orElseThrow();
        stream.freeze();
        assertThat(renamed(writes, 6, "lost")).isEqualTo("lost");
        cluster.primary().crash();
        stream.dropConnections();
        cluster.replica(1).promote();
        FailoverTest.awaitPrimary(db, "replica1");

        String seen =
            patiently(
                reads,
                on -> {
                  String shown = name(on, 6);
                  assertThat(lost).hasSize(1);
                  return shown;
                });

        assertThat(seen).isEqualTo("name 6");
        assertThat(lost.get(0).session()).isSameAs(scope.session());
        assertThat(lost.get(0).fork()).isPresent();
        assertThat(patiently(reads, on -> name(on, 5))).isEqualTo("kept");
        assertThat(lost).hasSize(1);
      }
    }
  }
}
