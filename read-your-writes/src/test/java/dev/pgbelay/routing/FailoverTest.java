package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

/** A cluster for each test: none of them survives whole. */
class FailoverTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  private static String seen(ReadYourWrites db, Session session, int id) {
    return db.read(session, tx -> name(tx, id));
  }

  static ReadYourWritesBuilder exact(Cluster cluster) {
    ReadYourWritesBuilder builder =
        ReadYourWrites.builder(cluster.exact(cluster.primary()))
            .probeInterval(Duration.ofMillis(20))
            .maxAge(Duration.ofSeconds(10))
            .failoverWait(LONG);
    cluster.servers().replicas().forEach(node -> builder.replica(cluster.exact(node)));
    return builder;
  }

  /** An attempt on the old primary might have shown something, which would be told as lost. */
  static void awaitPrimary(ReadYourWrites db, String name) {
    await()
        .atMost(LONG)
        .until(
            () ->
                db.nodes().stream()
                    .anyMatch(
                        node -> node.name().equals(name) && node.role() == NodeState.Role.PRIMARY));
  }

  static String nameOn(PostgresNode node, int id) throws SQLException {
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT name FROM profile WHERE id = " + id)) {
      row.next();
      return row.getString(1);
    }
  }

  @Test
  void promotedReplica_takesTheWrites_andWhatWasReplicatedIsSeen() {
    try (Cluster cluster = new Cluster(2)) {
      List<LostPosition> lost = new CopyOnWriteArrayList<>();
      ReadYourWrites db = cluster.start(exact(cluster).onLost(lost::add));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 1, "before"));
      cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
      cluster.primary().crash();
      cluster.replica(1).promote();
      awaitPrimary(db, "replica1");

      db.write(session, tx -> rename(tx, 2, "after"));

      assertThat(seen(db, session, 1)).isEqualTo("before");
      assertThat(seen(db, session, 2)).isEqualTo("after");
      assertThat(session.lastDecision().orElseThrow().node()).isEqualTo("replica1");
      assertThat(lost).isEmpty();
    }
  }

  @Test
  void replicaThatFollowsTheNewPrimary_isReadFromAgain() {
    try (Cluster cluster = new Cluster(2)) {
      ReadYourWrites db = cluster.start(exact(cluster).maxWait(LONG));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 1, "before"));
      cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
      cluster.primary().crash();
      cluster.replica(1).promote();
      cluster.follow(cluster.replica(2), cluster.replica(1));

      db.write(session, tx -> rename(tx, 2, "after"));

      await()
          .atMost(LONG)
          .until(
              () -> {
                assertThat(seen(db, session, 2)).isEqualTo("after");
                return session.lastDecision().orElseThrow().node().equals("replica2");
              });
    }
  }

  @Test
  void writeThatWasLost_isSaidToBe_withThePlaceWhereTheTimelineWasLeft() throws Exception {
    try (Cluster cluster =
        new Cluster(PostgresCluster.builder().replicas(1).replicasThroughProxy().start())) {
      List<LostPosition> lost = new CopyOnWriteArrayList<>();
      ReadYourWrites db = cluster.start(exact(cluster).onLost(lost::add));
      Session early = db.session();
      Session late = db.session();
      Session lateReader = db.session();
      Session lateWriter = db.session();
      db.write(early, tx -> rename(tx, 1, "kept"));
      cluster.replica(1).awaitCaughtUp();
      FaultProxy stream = cluster.replica(1).upstreamProxy().orElseThrow();
      stream.freeze();
      db.write(late, tx -> rename(tx, 2, "lost"));
      ConsistencyToken token = db.token(late).orElseThrow();
      db.join(lateReader, token);
      db.join(lateWriter, token);
      cluster.primary().crash();
      stream.dropConnections();
      cluster.replica(1).promote();
      awaitPrimary(db, "replica1");
      db.write(db.session(), tx -> rename(tx, 3, "after"));

      assertThat(seen(db, early, 1)).isEqualTo("kept");
      assertThat(lost).isEmpty();
      assertThat(seen(db, late, 2)).isEqualTo("name 2");
      assertThat(lost).hasSize(1);
      assertThat(lost.get(0).session()).isSameAs(late);
      assertThat(late.lost()).contains(lost.get(0));
      assertThat(early.lost()).isEmpty();
      assertThat(lost.get(0).timeline()).isEqualTo(2);
      assertThat(lost.get(0).fork()).isPresent();
      assertThat(seen(db, late, 2)).isEqualTo("name 2");
      assertThat(lost).hasSize(1);
      db.readPrimary(lateReader, ReadOptions.defaults(), tx -> name(tx, 2));
      assertThat(lateReader.lost()).isPresent();
      db.write(lateWriter, tx -> rename(tx, 4, "after, too"));
      assertThat(lateWriter.lost()).isPresent();
      assertThat(lost).hasSize(3);
    }
  }

  @Test
  void withoutReplicationGrant_everyPositionOfTheOlderTimelineCountsAsLost() {
    try (Cluster cluster = new Cluster(1)) {
      List<LostPosition> lost = new CopyOnWriteArrayList<>();
      ReadYourWrites db =
          cluster.open(
              builder ->
                  builder.maxAge(Duration.ofSeconds(10)).failoverWait(LONG).onLost(lost::add));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 1, "kept"));
      cluster.replica(1).awaitCaughtUp();
      cluster.primary().crash();
      cluster.replica(1).promote();
      awaitPrimary(db, "replica1");
      db.write(db.session(), tx -> rename(tx, 3, "after"));

      assertThat(seen(db, session, 1)).isEqualTo("kept");
      assertThat(lost).hasSize(1);
      assertThat(lost.get(0).fork()).isEmpty();
    }
  }

  @Test
  void oldPrimaryThatStillAnswers_isNotWrittenToOnceANewerTimelineIsKnown() throws Exception {
    try (Cluster cluster = new Cluster(1)) {
      PostgresNode old = cluster.primary();
      ReadYourWrites db = cluster.start(exact(cluster));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 1, "before"));
      cluster.replica(1).awaitCaughtUp();
      cluster.replica(1).promote();
      await()
          .atMost(LONG)
          .until(
              () -> db.nodes().stream().anyMatch(one -> one.role() == NodeState.Role.LEFT_BEHIND));

      db.write(session, tx -> rename(tx, 1, "after"));

      assertThat(nameOn(cluster.replica(1), 1)).isEqualTo("after");
      assertThat(nameOn(old, 1)).isEqualTo("before");
    }
  }

  @Test
  void tokenOfANewerTimeline_stopsWritesToAPrimaryOfAnOlderOne() throws Exception {
    try (Cluster cluster = new Cluster(2)) {
      PostgresNode old = cluster.primary();
      ReadYourWrites blind =
          cluster.start(
              ReadYourWrites.builder(cluster.node(old))
                  .replica(cluster.node(cluster.replica(2)))
                  .probeInterval(Duration.ofMillis(20))
                  .failoverWait(Duration.ofMillis(300)));
      ReadYourWrites db = cluster.start(exact(cluster));
      Session session = db.session();
      cluster.replica(1).awaitCaughtUp();
      cluster.replica(1).promote();
      await()
          .atMost(LONG)
          .until(
              () -> db.nodes().stream().anyMatch(one -> one.role() == NodeState.Role.LEFT_BEHIND));
      db.write(session, tx -> rename(tx, 1, "after"));
      blind.write(blind.session(), tx -> rename(tx, 2, "could not know"));

      ConsistencyToken token = db.token(session).orElseThrow();
      Session told = blind.session();
      assertThatThrownBy(
              () ->
                  blind.write(
                      told,
                      tx -> {
                        rename(tx, 3, "split");
                        // Another thread's request brings the token while this one is open.
                        blind.join(told, token);
                        return 0;
                      }))
          .isInstanceOf(RoutingException.class);
      assertThat(nameOn(old, 3)).isEqualTo("name 3");

      assertThatThrownBy(() -> blind.write(told, tx -> rename(tx, 1, "split")))
          .isInstanceOf(RoutingException.class)
          .hasMessageContaining("no node is known to be the primary of timeline 2");
      assertThatThrownBy(() -> blind.write(blind.session(), tx -> rename(tx, 1, "split")))
          .isInstanceOf(RoutingException.class);
    }
  }

  /** Its probe stands still, so that only the connection that was read on can tell. */
  @Test
  void replicaThatTookOver_andShowedIt_isFoundOut_thoughItsProbeIsSilent() throws Exception {
    try (Cluster cluster = new Cluster(1)) {
      PostgresNode heir = cluster.replica(1);
      try (FaultProxy work = FaultProxy.inFrontOf(heir);
          FaultProxy probes = FaultProxy.inFrontOf(heir)) {
        ReadYourWrites db =
            cluster.start(
                ReadYourWrites.builder(cluster.node(cluster.primary()))
                    .replica(
                        cluster.node(heir, work.jdbcUrl("postgres"), probes.jdbcUrl("postgres")))
                    .probeTimeout(LONG)
                    .maxAge(LONG)
                    .failoverWait(Duration.ofMillis(200)));
        Session session = db.session();
        assertThat(seen(db, session, 1)).isEqualTo("name 1");
        assertThat(session.lastDecision().orElseThrow().reason().isReplica()).isTrue();
        assertThat(db.token(session)).isPresent();
        probes.freeze();
        heir.promote();
        try (Connection connection = heir.connect();
            Statement statement = connection.createStatement()) {
          statement.execute("UPDATE profile SET name = 'after' WHERE id = 1");
        }
        assertThat(seen(db, session, 1)).isEqualTo("after");
        work.refuseConnections();
        work.dropConnections();

        for (int i = 0; i < 5; i++) {
          assertThatThrownBy(() -> seen(db, session, 1)).isInstanceOf(RoutingException.class);
          assertThatThrownBy(() -> db.write(session, tx -> rename(tx, 1, "split")))
              .isInstanceOf(RoutingException.class)
              .hasMessageContaining("timeline 2");
        }
      }
    }
  }

  private static void onItsMachine(PostgresNode node, String command) throws SQLException {
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("COPY (SELECT 1) TO PROGRAM '" + command + "'");
    }
  }

  /** Its probes answer, and speak the replication protocol, but the file is not there. */
  @Test
  void newPrimaryThatRefusesItsHistory_countsAsOneWithoutAFork_untilItTells() throws Exception {
    try (Cluster cluster = new Cluster(2)) {
      PostgresNode promoted = cluster.replica(1);
      PostgresNode follower = cluster.replica(2);
      ReadYourWrites before = cluster.start(exact(cluster));
      Session writer = before.session();
      before.write(writer, tx -> rename(tx, 1, "kept"));
      ConsistencyToken token = before.token(writer).orElseThrow();
      before.close();
      cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
      cluster.primary().crash();
      promoted.promote();
      cluster.follow(follower, promoted);
      cluster.execute("UPDATE profile SET name = 'after' WHERE id = 2");
      follower.awaitCaughtUp();
      onItsMachine(promoted, "mv pg_wal/00000002.history pg_wal/away.history");
      List<LostPosition> lost = new CopyOnWriteArrayList<>();

      ReadYourWrites db =
          cluster.start(
              ReadYourWrites.builder(cluster.exact(promoted))
                  .replica(cluster.exact(follower))
                  .probeInterval(Duration.ofMillis(20))
                  .maxAge(Duration.ofSeconds(10))
                  .onLost(lost::add));
      Session reader = db.session(token);
      Session writes = db.session(token);

      assertThat(seen(db, reader, 1)).isEqualTo("kept");
      assertThat(lost).hasSize(1);
      assertThat(lost.get(0).fork()).isEmpty();
      db.write(writes, tx -> rename(tx, 3, "after, too"));
      assertThat(lost).hasSize(2);
      assertThat(seen(db, reader, 1)).isEqualTo("kept");
      assertThat(lost).hasSize(2);
      assertThat(db.token(reader).orElseThrow().position().timeline()).isEqualTo(2);

      onItsMachine(promoted, "mv pg_wal/away.history pg_wal/00000002.history");
      await()
          .atMost(LONG)
          .until(
              () -> {
                Session told = db.session(token);
                assertThat(seen(db, told, 1)).isEqualTo("kept");
                return told.lost().isEmpty();
              });
    }
  }

  @Test
  void twoPrimariesOfOneTimeline_areBothLeftAlone() {
    try (Cluster cluster = new Cluster(2)) {
      ReadYourWrites db = cluster.start(exact(cluster).failoverWait(Duration.ofMillis(300)));
      cluster.primary().crash();
      cluster.replica(1).promote();
      cluster.replica(2).promote();
      await()
          .atMost(LONG)
          .until(
              () ->
                  db.nodes().stream().filter(one -> one.role() == NodeState.Role.PRIMARY).count()
                      == 2);

      assertThatThrownBy(() -> db.write(db.session(), tx -> rename(tx, 1, "split")))
          .isInstanceOfSatisfying(
              RoutingException.class,
              e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.TWO_PRIMARIES))
          .hasMessageContaining("replica1")
          .hasMessageContaining("replica2");
    }
  }
}
