package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.routing.NodeConnections.Lent;
import dev.pgbelay.routing.RoutingException.Kind;
import dev.pgbelay.testing.FaultProxy;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Connections that lead elsewhere than believed, and work that uses other ones beside. */
class ConnectionHazardsPostgresTest {
  private static Cluster cluster;
  private static Cluster other;

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
    other = new Cluster(1);
  }

  @AfterAll
  static void stop() {
    cluster.close();
    other.close();
  }

  @AfterEach
  void endTest() {
    cluster.endTest();
    other.endTest();
  }

  private static ReadYourWrites open() {
    return cluster.open(builder -> builder);
  }

  private static String seen(ReadYourWrites db, Session session, int id) {
    return db.read(session, tx -> name(tx, id));
  }

  private static void misconfigured(ThrowingCallable work, String node) {
    assertThatThrownBy(work)
        .isInstanceOfSatisfying(
            RoutingException.class, e -> assertThat(e.kind()).isEqualTo(Kind.MISCONFIGURED))
        .hasMessageContaining("pool of node '" + node + "'")
        .hasMessageContaining("cluster");
  }

  @Test
  void poolOfThePrimaryThatLeadsToAnotherCluster_isNotWrittenTo() {
    String astray = other.primary().jdbcUrl();
    ReadYourWrites db =
        cluster.start(
            ReadYourWrites.builder(
                    cluster.node(cluster.primary(), astray, cluster.primary().jdbcUrl()))
                .replica(cluster.node(cluster.replica(1)))
                .failoverWait(Duration.ofMillis(200)));
    Session session = db.session();

    misconfigured(() -> db.write(session, tx -> rename(tx, 1, "astray")), "primary");
    misconfigured(
        () -> db.readPrimary(session, ReadOptions.defaults(), tx -> name(tx, 1)), "primary");
    misconfigured(() -> db.connections().forWrite(), "primary");

    ReadYourWrites there = other.open(builder -> builder);
    String found = there.readPrimary(there.session(), ReadOptions.defaults(), tx -> name(tx, 1));
    assertThat(found).isEqualTo("name 1");
  }

  @Test
  void poolOfAReplicaThatLeadsToAnotherCluster_isNotReadFrom() {
    String astray = other.replica(1).jdbcUrl();
    ReadYourWrites db =
        cluster.start(
            ReadYourWrites.builder(cluster.node(cluster.primary()))
                .replica(cluster.node(cluster.replica(1), astray, cluster.replica(1).jdbcUrl())));

    misconfigured(() -> db.read(db.session(), tx -> name(tx, 1)), "replica1");
    misconfigured(
        () -> db.readAnyReplica(Duration.ofMinutes(1), ReadOptions.defaults(), tx -> name(tx, 1)),
        "replica1");
  }

  /** A connection that was opened since may lead to a server that has crashed in between. */
  @Test
  void keptConnectionThatIsNewerThanWhatWasShown_doesNotFit_untilTheNodeHasSaidMore()
      throws SQLException {
    ReadYourWrites db =
        cluster.open(
            builder -> builder.probeInterval(Duration.ofSeconds(5)).maxAge(Duration.ofSeconds(15)));
    Session session = db.session();
    Lent before = db.connections().forRead(db.session(), ReadOptions.defaults());
    assertThat(seen(db, session, 1)).isNotEmpty();
    Floor afterRead = session.floor();
    Lent since = db.connections().forRead(db.session(), ReadOptions.defaults());
    try {
      assertThat(afterRead.shown()).isNotEmpty();
      assertThat(before.isOfReplica()).isTrue();
      assertThat(before.fits(Optional.of(session))).isTrue();
      // The read's own connection went back to the pool, and was lent again; a third is newer.
      Lent newer = db.connections().forRead(db.session(), ReadOptions.defaults());
      assertThat(newer.isOfReplica()).isTrue();
      assertThat(newer.fits(Optional.of(session))).isFalse();
      newer.giveBack();
    } finally {
      before.giveBack();
      since.giveBack();
    }
  }

  @Test
  void workThatCannotReachAnotherDatabase_isNotRunAgain_andNotHeldAgainstTheNode() {
    ReadYourWrites db = open();
    Session session = db.session();
    TxOptions once = TxOptions.builder().path("write").retry(TxOptions.Retry.none()).build();
    AtomicInteger writes = new AtomicInteger();
    AtomicInteger reads = new AtomicInteger();

    assertThatThrownBy(
            () ->
                db.commit(
                    session,
                    once,
                    tx -> {
                      writes.incrementAndGet();
                      throw new DataAccessException(
                          "a shop next door", new SQLException("refused", "08001"));
                    }))
        .hasMessageContaining("next door");
    for (int i = 0; i < 30; i++) {
      assertThatThrownBy(
              () ->
                  db.read(
                      session,
                      tx -> {
                        reads.incrementAndGet();
                        throw new DataAccessException(
                            "a shop next door", new SQLException("refused", "08001"));
                      }))
          .hasMessageContaining("next door");
    }

    assertThat(writes).hasValue(1);
    assertThat(reads).hasValue(30);
    assertThat(seen(db, db.session(), 3)).isEqualTo("name 3");
    Session fresh = db.session();
    assertThat(seen(db, fresh, 3)).isEqualTo("name 3");
    assertThat(fresh.lastDecision().orElseThrow().reason().isReplica()).isTrue();
  }

  /** It would be told as lost after a fail-over, though nothing was shown. */
  @Test
  void writeWhoseConnectionIsFoundDead_hasShownNothing() {
    try (FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary())) {
      ReadYourWrites db =
          cluster.start(
              ReadYourWrites.builder(
                      cluster.node(
                          cluster.primary(),
                          proxy.jdbcUrl("postgres"),
                          cluster.primary().jdbcUrl()))
                  .replica(cluster.node(cluster.replica(1)))
                  .failoverWait(Duration.ofMillis(200)));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 7, "before"));
      proxy.refuseConnections();
      proxy.dropConnections();

      assertThatThrownBy(() -> db.write(session, tx -> rename(tx, 7, "after")))
          .isInstanceOf(RuntimeException.class);

      assertThat(session.floor().shown()).isEmpty();
      assertThat(session.floor().unknown()).isEmpty();
      proxy.acceptConnections();
      db.write(session, tx -> rename(tx, 7, "at last"));
      assertThat(seen(db, session, 7)).isEqualTo("at last");
    }
  }

  @Test
  void readOfAnotherCluster_mayBeInsideAWrite() {
    ReadYourWrites db = open();
    ReadYourWrites there = other.open(builder -> builder);

    String found =
        db.write(
            db.session(),
            tx -> {
              String name = there.read(there.session(), elsewhere -> name(elsewhere, 4));
              rename(tx, 5, name);
              return name;
            });

    assertThat(found).isEqualTo("name 4");
  }
}
