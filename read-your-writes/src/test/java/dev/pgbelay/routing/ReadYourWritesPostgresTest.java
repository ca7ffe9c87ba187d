package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.routing.RouteDecision.Reason;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class ReadYourWritesPostgresTest {
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

  static String name(Tx tx, int id) {
    return String.valueOf(tx.dsl().fetchValue("SELECT name FROM profile WHERE id = ?", id));
  }

  static int rename(Tx tx, int id, String name) {
    return tx.dsl().execute("UPDATE profile SET name = ? WHERE id = ?", name, id);
  }

  private static String seen(ReadYourWrites db, Session session, int id) {
    return db.read(session, tx -> name(tx, id));
  }

  private static Reason reason(Session session) {
    return session.lastDecision().orElseThrow().reason();
  }

  @Test
  void sessionThatWroteNothing_readsFromAReplica() {
    ReadYourWrites db = cluster.open(builder -> builder);
    Session session = db.session();

    String found = db.read(session, tx -> name(tx, 7));

    assertThat(found).isEqualTo("name 7");
    assertThat(session.lastDecision().orElseThrow().node()).startsWith("replica");
    assertThat(reason(session)).isEqualTo(Reason.CAUGHT_UP);
  }

  @Test
  void write_isSeenByTheNextRead_thoughReplicasStandStill() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)));
    Session session = db.session();
    cluster.replica(1).pauseReplay();
    cluster.replica(2).pauseReplay();

    db.write(session, tx -> rename(tx, 1, "written"));
    String seen = db.read(session, tx -> name(tx, 1));

    assertThat(seen).isEqualTo("written");
    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_NONE_CAUGHT_UP);
    assertThat(seen(db, db.session(), 1)).isNotEqualTo("written");
  }

  @Test
  void write_isReadFromTheReplicaThatHasIt() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofSeconds(20)));
    Session session = db.session();
    cluster.replica(1).pauseReplay();

    db.write(session, tx -> rename(tx, 2, "on replica 2"));

    for (int i = 0; i < 20; i++) {
      assertThat(seen(db, session, 2)).isEqualTo("on replica 2");
      assertThat(session.lastDecision().orElseThrow().node()).isEqualTo("replica2");
    }
  }

  @Test
  void transactionThatWroteNothing_leavesTheSessionOnReplicas() {
    ReadYourWrites db = cluster.open(builder -> builder);
    Session session = db.session();

    db.write(session, tx -> name(tx, 3));

    assertThat(seen(db, session, 3)).isEqualTo("name 3");
    assertThat(reason(session).isReplica()).isTrue();
  }

  @Test
  void token_carriesAWriteToAnotherProcess() {
    ReadYourWrites here = cluster.open(builder -> builder);
    ReadYourWrites there = cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)));
    Session writer = here.session();
    cluster.replica(1).pauseReplay();
    cluster.replica(2).pauseReplay();

    here.write(writer, tx -> rename(tx, 4, "carried"));
    Session reader = there.session(here.token(writer).orElseThrow());

    assertThat(seen(there, reader, 4)).isEqualTo("carried");
    assertThat(here.token(here.session())).isEmpty();
  }

  @Test
  void secondRead_neverGoesBackFromReplicaToReplica() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofSeconds(20)));
    cluster.replica(1).pauseReplay();
    db.write(db.session(), tx -> rename(tx, 5, "new"));
    cluster.replica(2).awaitCaughtUp();
    Session other = db.session();
    while (!seen(db, other, 5).equals("new")) {
      other = db.session();
    }

    for (int i = 0; i < 100; i++) {
      // A token makes the session forget which node it was: only the position is left.
      Session again = db.session(db.token(other).orElseThrow());
      assertThat(seen(db, again, 5)).isEqualTo("new");
      assertThat(seen(db, other, 5)).isEqualTo("new");
    }
  }
}
