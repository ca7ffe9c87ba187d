package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.routing.health.RoutingHealth;
import dev.pgbelay.testing.PostgresCluster;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Which nodes may belong to a cluster, and how they come and go. */
class MembershipPostgresTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  /** Those of the common pool may be one alone, which another one holds. */
  private static final Executor THREADS = task -> new Thread(task, "beside the test").start();

  private static Cluster cluster;

  @BeforeAll
  static void start() {
    cluster = new Cluster(2);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() {
    cluster.servers().replicas().forEach(node -> node.resumeReplay());
    cluster.endTest();
  }

  private static void assertMisconfigured(ReadYourWritesBuilder builder, String text) {
    assertThatThrownBy(builder::start)
        .isInstanceOfSatisfying(
            RoutingException.class,
            e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.MISCONFIGURED))
        .hasMessageContaining(text);
  }

  @Test
  void nodesThatAreNotWhatTheyAreSaidToBe_areRefusedByName() {
    DatabaseNode primary = cluster.node(cluster.primary());
    DatabaseNode first = cluster.node(cluster.replica(1));
    DatabaseNode second = cluster.node(cluster.replica(2));

    assertThatThrownBy(() -> ReadYourWrites.builder(primary).start())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("there is no replica");
    assertMisconfigured(
        ReadYourWrites.builder(first).replica(second),
        "node 'replica1' is declared as the primary, but is a replica");
    assertMisconfigured(
        ReadYourWrites.builder(primary)
            .replica(DatabaseNode.of("copy", primary.pool(), primary.probes())),
        "node 'copy' is declared as a replica, but accepts writes");
    assertMisconfigured(
        ReadYourWrites.builder(primary)
            .replica(
                cluster.node(
                    cluster.replica(1),
                    cluster.replica(1).jdbcUrl(),
                    "jdbc:postgresql://127.0.0.1:1/postgres?connectTimeout=1")),
        "node 'replica1' does not answer its first probe");
    assertThatThrownBy(() -> ReadYourWrites.builder(primary).replica(first).replica(first))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("'replica1' is named twice");
  }

  @Test
  void replicaOfAnotherCluster_isRefusedByItsIdentifier() {
    try (PostgresCluster other = PostgresCluster.builder().start()) {
      DatabaseNode foreign =
          DatabaseNode.of(
              "foreign",
              cluster.node(other.primary()).pool(),
              cluster.node(other.primary()).probes());
      ReadYourWrites db = cluster.open(builder -> builder);

      assertMisconfigured(
          ReadYourWrites.builder(cluster.node(cluster.primary())).replica(foreign),
          "node 'foreign' is of cluster ");
      assertThatThrownBy(() -> db.addReplica(foreign))
          .isInstanceOf(RoutingException.class)
          .hasMessageContaining("node 'foreign' is of cluster ");
      assertThat(db.nodes()).extracting(NodeState::name).doesNotContain("foreign");
    }
  }

  private static ReadYourWrites withFirst(SimpleMeterRegistry registry) {
    return cluster.start(
        ReadYourWrites.builder(cluster.node(cluster.primary()))
            .replica(cluster.node(cluster.replica(1)))
            .probeInterval(Duration.ofMillis(20))
            .maxWait(Duration.ofMillis(50))
            .maxAge(Duration.ofMillis(500))
            .meterRegistry(registry));
  }

  private static String nodeOf(ReadYourWrites db, Session session) {
    String ignored = db.read(session, tx -> name(tx, 1));
    return session.lastDecision().orElseThrow().node();
  }

  @Test
  void replicaThatIsAdded_isReadFromOnceItHasWhatTheSessionWrote() {
    ReadYourWrites db = withFirst(new SimpleMeterRegistry());
    cluster.replica(1).pauseReplay();
    Session session = db.session();
    db.write(session, tx -> rename(tx, 1, "before it came"));
    assertThat(nodeOf(db, session)).isEqualTo("primary");

    db.addReplica(cluster.node(cluster.replica(2)));

    await().atMost(LONG).until(() -> nodeOf(db, session).equals("replica2"));
    assertThatThrownBy(() -> db.addReplica(cluster.node(cluster.replica(2))))
        .isInstanceOf(RoutingException.class)
        .hasMessageContaining("'replica2' is there already");
  }

  @Test
  void replicaThatIsRemoved_endsItsReads_andBeginsNoOther() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    ReadYourWrites db = withFirst(registry);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch end = new CountDownLatch(1);
    CompletableFuture<String> read =
        CompletableFuture.supplyAsync(
            () ->
                db.read(
                    db.session(),
                    tx -> {
                      begun.countDown();
                      awaitLatch(end);
                      return name(tx, 2);
                    }),
            THREADS);
    assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
    assertThat(registry.find("pgbelay.routing.lag.bytes").tag("node", "replica1").gauge())
        .isNotNull();

    CompletableFuture<Integer> removed =
        CompletableFuture.supplyAsync(() -> db.removeReplica("replica1", LONG), THREADS);
    await()
        .atMost(LONG)
        .until(() -> db.nodes().stream().anyMatch(node -> node.role() == NodeState.Role.DRAINING));
    assertThat(nodeOf(db, db.session())).isEqualTo("primary");
    assertThat(removed).isNotDone();
    end.countDown();

    assertThat(read.get()).isEqualTo("name 2");
    assertThat(removed.get()).isZero();
    assertThat(db.nodes()).extracting(NodeState::name).containsExactly("primary");
    assertThat(registry.find("pgbelay.routing.lag.bytes").tag("node", "replica1").gauge()).isNull();

    db.addReplica(cluster.node(cluster.replica(1)));
    await().atMost(LONG).until(() -> nodeOf(db, db.session()).equals("replica1"));
    assertThat(registry.find("pgbelay.routing.lag.bytes").tag("node", "replica1").gauge())
        .isNotNull();
    db.close();
    assertThat(registry.find("pgbelay.routing.lag.bytes").gauges()).isEmpty();
    assertThat(registry.find("pgbelay.routing.sight.age").gauges()).isEmpty();
    assertThat(registry.find("pgbelay.routing.waiters").gauges()).isEmpty();
  }

  @Test
  void removalThatIsOverItsTime_saysHowManyReadsAreUnderWay() throws Exception {
    ReadYourWrites db = withFirst(new SimpleMeterRegistry());
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch end = new CountDownLatch(1);
    CompletableFuture<String> read =
        CompletableFuture.supplyAsync(
            () ->
                db.read(
                    db.session(),
                    tx -> {
                      begun.countDown();
                      awaitLatch(end);
                      return name(tx, 2);
                    }),
            THREADS);
    assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();

    int underWay = db.removeReplica("replica1", Duration.ofMillis(20));

    end.countDown();
    assertThat(underWay).isEqualTo(1);
    assertThat(read.get()).isEqualTo("name 2");
  }

  @Test
  void primaryOfNow_isNotRemoved_norANodeThatIsNotThere() {
    ReadYourWrites db = cluster.open(builder -> builder);

    assertThatThrownBy(() -> db.removeReplica("primary", Duration.ZERO))
        .isInstanceOf(RoutingException.class)
        .hasMessageContaining("node 'primary' is the primary now");
    assertThatThrownBy(() -> db.removeReplica("nobody", Duration.ZERO))
        .isInstanceOf(RoutingException.class)
        .hasMessageContaining("there are [primary, replica1, replica2]");
    int changed = db.write(db.session(), tx -> rename(tx, 50, "still here"));
    assertThat(changed).isEqualTo(1);
  }

  @Test
  void closed_takesNoWork_andSaysSo() {
    ReadYourWrites db = cluster.open(builder -> builder);
    Session session = db.session();
    String before = db.read(session, tx -> name(tx, 1));
    assertThat(before).isNotEmpty();
    db.close();

    List<ThrowingCallable> work =
        List.of(
            () -> db.read(session, tx -> name(tx, 1)),
            () -> db.write(session, tx -> rename(tx, 1, "too late")),
            () -> db.readPrimary(session, ReadOptions.defaults(), tx -> name(tx, 1)),
            () -> db.readAnyReplica(LONG, ReadOptions.defaults(), tx -> name(tx, 1)),
            () -> db.connections().forRead(session, ReadOptions.defaults()),
            () -> db.connections().forWrite(),
            () -> db.addReplica(cluster.node(cluster.replica(2))),
            () -> db.removeReplica("replica2", LONG));
    for (ThrowingCallable each : work) {
      assertThatThrownBy(each)
          .isInstanceOfSatisfying(
              RoutingException.class,
              e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.CLOSED));
    }
    // What was seen is not forgotten: whoever has the token reads from the primary.
    assertThat(db.token(session)).isPresent();
  }

  @Test
  void sessionOfAnotherCluster_isRefused_alsoForSingleConnections() throws Exception {
    ReadYourWrites db = cluster.open(builder -> builder);
    ReadYourWrites other = cluster.open(builder -> builder);
    Session foreign = other.session();
    NodeConnections.Lent lent = db.connections().forWrite();
    List<ThrowingCallable> work =
        List.of(
            () -> db.read(foreign, tx -> name(tx, 1)),
            () -> db.connections().forRead(foreign, ReadOptions.defaults()),
            () -> lent.begins(Optional.of(foreign)));

    for (ThrowingCallable each : work) {
      assertThatThrownBy(each)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("another ReadYourWrites");
    }
    lent.giveBack();
  }

  private static void awaitLatch(CountDownLatch latch) {
    try {
      assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void health_saysWhoIsSilentOrLags() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    ReadYourWrites db =
        cluster.start(
            ReadYourWrites.builder(cluster.node(cluster.primary()))
                .replica(cluster.node(cluster.replica(1)))
                .probeInterval(Duration.ofMillis(20))
                .maxAge(Duration.ofMillis(500))
                .maxLag(8_192, Duration.ofMillis(200)));
    RoutingHealth health = RoutingHealth.of(db, registry);
    await().atMost(LONG).until(() -> health.health().status() == Health.Status.UP);
    assertThat(registry.get("pgbelay.routing.health").gauge().value()).isZero();

    cluster.replica(1).pauseReplay();
    cluster.execute("INSERT INTO profile SELECT g, 'more' FROM generate_series(200, 2000) AS g");
    await().atMost(LONG).until(() -> health.health().status() == Health.Status.DEGRADED);
    assertThat(health.health().reasons())
        .extracting(Health.Reason::text)
        .anyMatch(text -> text.startsWith("node 'replica1' is "))
        .anyMatch(text -> text.startsWith("no replica is read from"));
    assertThat(registry.get("pgbelay.routing.health").gauge().value()).isEqualTo(1);

    cluster.replica(1).resumeReplay();
    await().atMost(LONG).until(() -> health.health().status() == Health.Status.UP);
    cluster.primary().suspend();
    try {
      await().atMost(LONG).until(() -> health.health().status() == Health.Status.DOWN);
      assertThat(health.health().reasons())
          .extracting(Health.Reason::text)
          .anyMatch(text -> text.startsWith("no node accepts writes"))
          .anyMatch(text -> text.startsWith("node 'primary' has not answered"));
      assertThat(registry.get("pgbelay.routing.health").gauge().value()).isEqualTo(2);
    } finally {
      cluster.primary().resume();
    }
    await().atMost(LONG).until(() -> health.health().status() == Health.Status.UP);
  }
}
