package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Each is a fault or a peculiarity of PostgreSQL that has made others show stale data. */
class HazardsPostgresTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  private static Cluster cluster;

  @BeforeAll
  static void start() {
    cluster =
        new Cluster(
            PostgresCluster.builder()
                .replicas(2)
                .serverConfig("max_standby_streaming_delay", "50ms")
                .start());
    cluster.execute("CREATE TABLE victim (id integer)");
    cluster.execute("CREATE TABLE audit (at timestamptz NOT NULL)");
    cluster.execute("CREATE SEQUENCE number");
    cluster.execute(
        "CREATE FUNCTION rename(integer, text) RETURNS integer LANGUAGE sql AS"
            + " 'UPDATE profile SET name = $2 WHERE id = $1 RETURNING id'");
    cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() {
    cluster.servers().replicas().forEach(PostgresNode::resumeReplay);
    cluster.endTest();
  }

  private static ReadYourWrites open() {
    ReadYourWrites db =
        cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)).maxAge(LONG));
    RoutedJdbc.awaitReplicas(db);
    return db;
  }

  private static void pauseReplicas() {
    cluster.servers().replicas().forEach(PostgresNode::pauseReplay);
  }

  private static String seen(ReadYourWrites db, Session session, int id) {
    return db.read(session, tx -> name(tx, id));
  }

  private static Reason reason(Session session) {
    return session.lastDecision().orElseThrow().reason();
  }

  @Test
  void writeByAFunctionThatLooksLikeARead_isAWrite() {
    ReadYourWrites db = open();
    Session session = db.session();
    pauseReplicas();

    db.write(session, tx -> tx.dsl().fetchValue("SELECT rename(1, 'by a function')"));

    assertThat(seen(db, session, 1)).isEqualTo("by a function");
    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_NONE_CAUGHT_UP);
  }

  @Test
  void writeOfAStatementThatBeginsWithWith_isAWrite() {
    ReadYourWrites db = open();
    Session session = db.session();
    pauseReplicas();

    db.write(
        session,
        tx ->
            tx.dsl()
                .fetchValue(
                    "WITH changed AS (UPDATE profile SET name = 'by a CTE' WHERE id = 2 RETURNING"
                        + " name) SELECT name FROM changed"));

    assertThat(seen(db, session, 2)).isEqualTo("by a CTE");
  }

  @Test
  void transactionOnThePrimaryThatOnlyRead_bindsTheSessionAsWell() {
    ReadYourWrites db = open();
    Session session = db.session();
    pauseReplicas();
    db.write(db.session(), tx -> rename(tx, 14, "of somebody else"));

    String shown = db.write(session, tx -> name(tx, 14));

    assertThat(shown).isEqualTo("of somebody else");
    assertThat(seen(db, session, 14)).isEqualTo("of somebody else");
  }

  @Test
  void transactionThatWasRolledBack_yieldsNoPosition() {
    ReadYourWrites db = open();
    Session session = db.session();

    assertThatThrownBy(
            () ->
                db.write(
                    session,
                    tx -> {
                      rename(tx, 3, "rolled back");
                      throw new IllegalStateException("by the test");
                    }))
        .isInstanceOf(IllegalStateException.class);

    assertThat(session.floor().positions()).isEmpty();
    assertThat(seen(db, session, 3)).isEqualTo("name 3");
  }

  @Test
  void asynchronousCommit_isToBeSeen_thoughItIsNotFlushed() {
    ReadYourWrites db = open();
    Session session = db.session();
    for (int i = 0; i < 20; i++) {
      String written = "asynchronous " + i;

      db.write(
          session,
          tx -> {
            tx.dsl().execute("SET LOCAL synchronous_commit = off");
            return rename(tx, 4, written);
          });

      assertThat(seen(db, session, 4)).isEqualTo(written);
    }
  }

  @Test
  void idlePrimaryBehindASegmentsHeader_doesNotLookLikeALag() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(LONG));
    cluster.execute("SELECT pg_switch_wal()");
    cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
    Session session = db.session();

    // The floor is then what the primary says of itself, though nothing was written.
    db.readPrimary(session, ReadOptions.defaults(), tx -> name(tx, 5));

    assertThat(seen(db, session, 5)).isEqualTo("name 5");
    assertThat(reason(session).isReplica()).isTrue();
  }

  @Test
  void commitThatWasCutBeforeItArrived_sendsReadsToThePrimaryUntilItIsSettled() {
    unknownCommit(false);
  }

  @Test
  void commitWhoseAnswerWasCut_sendsReadsToThePrimaryUntilItIsSettled() {
    unknownCommit(true);
  }

  private void unknownCommit(boolean arrives) {
    try (FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary())) {
      PostgresNode primary = cluster.primary();
      ReadYourWrites db =
          cluster.start(
              ReadYourWrites.builder(
                      cluster.node(primary, proxy.jdbcUrl("postgres"), primary.jdbcUrl()))
                  .replica(cluster.node(cluster.replica(1)))
                  .replica(cluster.node(cluster.replica(2))));
      Session session = db.session();
      String before = seen(db, session, 6);
      pauseReplicas();
      if (arrives) {
        proxy.cutAfterCommit(1);
      } else {
        proxy.cutBeforeCommit(1);
      }

      assertThatThrownBy(() -> db.write(session, tx -> rename(tx, 6, "arrived")))
          .isInstanceOf(OutcomeUnknownException.class);

      assertThat(seen(db, session, 6)).isEqualTo(arrives ? "arrived" : before);
      assertThat(reason(session).isReplica()).isFalse();
      cluster.servers().replicas().forEach(PostgresNode::resumeReplay);
      await()
          .atMost(LONG)
          .until(
              () -> {
                assertThat(seen(db, session, 6)).isEqualTo(arrives ? "arrived" : before);
                return reason(session).isReplica();
              });
      assertThat(session.floor().unknown()).isEmpty();
    }
  }

  @Test
  void readThatAReplicaCancels_isRunOnAnotherNode() throws Exception {
    ReadYourWrites db = open();
    CountDownLatch reading = new CountDownLatch(1);
    List<String> nodes = new ArrayList<>();
    Session session = db.session();
    Thread truncating =
        new Thread(
            () -> {
              try {
                reading.await(10, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              cluster.execute("TRUNCATE victim");
            });
    truncating.start();

    db.read(
        session,
        tx -> {
          nodes.add(String.valueOf(tx.dsl().fetchValue("SELECT inet_server_port()")));
          tx.dsl().fetch("SELECT * FROM victim");
          reading.countDown();
          if (nodes.size() == 1) {
            tx.dsl().fetch("SELECT pg_sleep(20)");
          }
          return 0;
        });
    truncating.join();

    assertThat(nodes).hasSize(2).doesNotHaveDuplicates();
  }

  @Test
  void readThatMustNotBeRunAgain_isNot() {
    ReadYourWrites db = open();
    int[] runs = {0};

    assertThatThrownBy(
            () ->
                db.read(
                    db.session(),
                    tx -> {
                      runs[0]++;
                      tx.noRetryAfterThis();
                      return tx.dsl().fetchValue("SELECT nextval('number')");
                    }))
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.READ_ONLY));

    assertThat(runs[0]).isEqualTo(1);
  }

  @Test
  void writeInARead_isRefusedByThePrimaryToo() {
    ReadYourWrites db = open();
    List<String> nodes = new ArrayList<>();
    for (String statement :
        List.of(
            "SELECT nextval('number')",
            "SELECT id FROM profile WHERE id = 1 FOR UPDATE",
            "INSERT INTO audit VALUES (now())")) {
      nodes.clear();

      assertThatThrownBy(
              () ->
                  db.read(
                      db.session(),
                      tx -> {
                        nodes.add(
                            String.valueOf(tx.dsl().fetchValue("SELECT pg_is_in_recovery()")));
                        return tx.dsl().fetch(statement);
                      }))
          .as(statement)
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.READ_ONLY));

      assertThat(nodes).as(statement).containsExactly("true", "false");
    }
  }

  @Test
  void readInsideAWriteOfTheSameThread_isRefused() {
    ReadYourWrites db = open();
    Session session = db.session();

    assertThatThrownBy(() -> db.write(session, tx -> seen(db, session, 1)))
        .isInstanceOf(TransactionException.class)
        .hasMessageContaining("inside a routed write");

    assertThat(seen(db, session, 7)).isEqualTo("name 7");
  }

  @Test
  void staleReadByChoice_saysHowStale() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ZERO).primaryReads(1));
    Session session = db.session();
    pauseReplicas();
    db.write(session, tx -> rename(tx, 8, "too new"));
    ReadOptions stale = ReadOptions.builder().whenFull(ReadOptions.WhenFull.STALE).build();
    Session other = db.session(db.token(session).orElseThrow());

    String found =
        db.read(
            session,
            tx -> {
              // The one place on the primary is taken while this runs.
              String also = db.read(other, stale, inner -> name(inner, 8));
              return name(tx, 8) + ", " + also;
            });

    assertThat(found).isEqualTo("too new, name 8");
    assertThat(reason(other)).isEqualTo(Reason.STALE_BY_CHOICE);
    assertThat(other.lastDecision().orElseThrow().staleness()).isPresent();
  }

  /** Its sessions end and it recovers, but its postmaster, and so its start, is the same. */
  @Test
  void replicaWhoseBackendIsKilled_mayGoBack_andIsNotReadFromThen() throws Exception {
    PostgresNode replica = cluster.replica(1);
    ReadYourWrites db =
        cluster.start(
            ReadYourWrites.builder(cluster.node(cluster.primary()))
                .replica(cluster.node(replica))
                .probeInterval(Duration.ofSeconds(5))
                .maxAge(Duration.ofSeconds(15))
                .maxWait(LONG));
    Session session = db.session();
    db.write(session, tx -> rename(tx, 12, "seen before the crash"));
    assertThat(seen(db, session, 12)).isEqualTo("seen before the crash");
    assertThat(reason(session).isReplica()).isTrue();
    // No probe comes between this read and the crash: what it showed has no position.
    Session other = db.session();
    assertThat(seen(db, other, 12)).isEqualTo("seen before the crash");
    replica.lag(Duration.ofMinutes(10));
    try {
      killBackendOf(replica);
      await().atMost(LONG).until(() -> answers(replica));

      for (int i = 0; i < 20; i++) {
        String found =
            db.read(
                i % 2 == 0 ? other : session,
                ReadOptions.builder().maxWait(Duration.ofMillis(20)).build(),
                tx -> name(tx, 12));
        assertThat(found).isEqualTo("seen before the crash");
      }
      // It has recovered to where it had last written to disk, which is before any of this.
      assertThat(shows(replica, "seen before the crash")).isFalse();
    } finally {
      replica.lag(Duration.ZERO);
    }
  }

  static void killBackendOf(PostgresNode node) throws Exception {
    try (Connection connection = node.connect()) {
      int pid;
      try (Statement statement = connection.createStatement();
          ResultSet row = statement.executeQuery("SELECT pg_backend_pid()")) {
        row.next();
        pid = row.getInt(1);
      }
      int killed = new ProcessBuilder("kill", "-9", Integer.toString(pid)).start().waitFor();
      assertThat(killed).isZero();
      await().atMost(LONG).until(() -> !connection.isValid(1));
    }
  }

  static boolean answers(PostgresNode node) {
    try (Connection connection = node.connect()) {
      return connection.isValid(1);
    } catch (SQLException e) {
      return false;
    }
  }

  static boolean shows(PostgresNode node, String name) {
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery("SELECT count(*) FROM profile WHERE name = '" + name + "'")) {
      row.next();
      return row.getInt(1) > 0;
    } catch (SQLException e) {
      // So far back that not even the table is there.
      return false;
    }
  }

  /** The exception that the guarantee names, and the option for those who cannot have it. */
  @Test
  void commitThatWaitsForItsSynchronousStandby_isSeenOnAReplicaBeforeThePrimaryShowsIt()
      throws Exception {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofSeconds(10)));
    ReadOptions onReplicas = ReadOptions.builder().stayOnReplicas().build();
    Session session = db.session();
    cluster.primary().configure("synchronous_standby_names", "nobody");
    Thread writing = new Thread(() -> db.write(db.session(), tx -> rename(tx, 13, "waiting")));
    try {
      writing.start();
      await()
          .atMost(LONG)
          .until(() -> db.read(session, onReplicas, tx -> name(tx, 13)).equals("waiting"));

      String onPrimary = db.readPrimary(db.session(), ReadOptions.defaults(), tx -> name(tx, 13));
      assertThat(onPrimary).isEqualTo("name 13");
      for (int i = 0; i < 20; i++) {
        assertThat(db.<String, RuntimeException>read(session, onReplicas, tx -> name(tx, 13)))
            .isEqualTo("waiting");
      }
    } finally {
      cluster.primary().configure("synchronous_standby_names", "");
      writing.join();
    }
  }

  @Test
  void delayedReplica_isPassedOver() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofSeconds(10)));
    Session session = db.session();
    cluster.replica(1).lag(Duration.ofSeconds(20));
    try {
      db.write(session, tx -> rename(tx, 9, "not delayed"));

      assertThat(seen(db, session, 9)).isEqualTo("not delayed");
      assertThat(session.lastDecision().orElseThrow().node()).isEqualTo("replica2");
    } finally {
      cluster.replica(1).lag(Duration.ZERO);
    }
  }

  @Test
  void cascadedReplica_isReadFromOnceItHasIt() {
    try (Cluster own = new Cluster(2)) {
      own.follow(own.replica(2), own.replica(1));
      ReadYourWrites db =
          own.start(
              ReadYourWrites.builder(own.node(own.primary()))
                  .replica(own.node(own.replica(2)))
                  .maxWait(LONG));
      Session session = db.session();
      for (int i = 0; i < 5; i++) {
        String written = "cascaded " + i;
        db.write(session, tx -> rename(tx, 10, written));

        assertThat(seen(db, session, 10)).isEqualTo(written);
        assertThat(session.lastDecision().orElseThrow().node()).isEqualTo("replica2");
      }
    }
  }

  @Test
  void primaryOfAnotherCluster_isRefusedAsAReplica_andNothingIsLeftWatching() {
    try (Cluster other = new Cluster(PostgresCluster.builder().start())) {
      DatabaseNode foreign = other.node(other.primary());
      ReadYourWritesBuilder builder =
          ReadYourWrites.builder(cluster.node(cluster.primary()))
              .replica(DatabaseNode.of("foreign", foreign.pool(), foreign.probes()));

      assertThatThrownBy(builder::start)
          .isInstanceOfSatisfying(
              RoutingException.class,
              e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.MISCONFIGURED))
          .hasMessageContaining("'foreign'")
          .hasMessageContaining("is of cluster");
      assertThat(probes(other.primary())).isZero();
      other.endTest();
    }
    assertThatThrownBy(
            () ->
                ReadYourWrites.builder(cluster.node(cluster.replica(1)))
                    .replica(cluster.node(cluster.replica(2)))
                    .start())
        .hasMessageContaining("'replica1' is declared as the primary, but is a replica");
  }

  private static int probes(PostgresNode node) {
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_is_in_recovery%'"
                    + " AND pid <> pg_backend_pid()")) {
      row.next();
      return row.getInt(1);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void replicaThatIsTakenAway_isNotReadFromAnyMore_andMayComeBack() {
    ReadYourWrites db = open();
    Session session = db.session();

    assertThat(db.removeReplica("replica1", Duration.ofSeconds(5))).isZero();
    for (int i = 0; i < 10; i++) {
      seen(db, session, 11);
      assertThat(session.lastDecision().orElseThrow().node()).isEqualTo("replica2");
    }
    db.addReplica(cluster.node(cluster.replica(1)));

    await()
        .atMost(LONG)
        .until(
            () -> {
              Session fresh = db.session();
              seen(db, fresh, 11);
              return fresh.lastDecision().orElseThrow().node().equals("replica1");
            });
    assertThatThrownBy(() -> db.addReplica(cluster.node(cluster.replica(1))))
        .hasMessageContaining("'replica1' is there already");
  }
}
