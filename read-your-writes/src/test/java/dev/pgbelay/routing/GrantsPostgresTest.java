package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.testing.PostgresNode;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What roles need, and what they are told without it. */
class GrantsPostgresTest {
  private static final Duration LONG = Duration.ofSeconds(20);
  private static Cluster cluster;

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
    cluster.execute(
        """
        CREATE ROLE app LOGIN PASSWORD 'p';
        GRANT SELECT, UPDATE ON profile TO app;
        CREATE ROLE probe LOGIN PASSWORD 'p' IN ROLE pg_monitor;
        CREATE ROLE nobody LOGIN PASSWORD 'p';
        CREATE ROLE unaware LOGIN PASSWORD 'p' NOINHERIT IN ROLE pg_monitor;
        CREATE ROLE replicator LOGIN PASSWORD 'p' REPLICATION;
        """);
    cluster.replica(1).awaitCaughtUp();
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() {
    cluster.endTest();
  }

  private static String url(PostgresNode node, String role) {
    return "jdbc:postgresql://127.0.0.1:"
        + node.address().getPort()
        + "/postgres?user="
        + role
        + "&password=p";
  }

  private static ReadYourWritesBuilder probedBy(String role, String options) {
    DatabaseNode primary = node(cluster.primary(), role, options);
    return ReadYourWrites.builder(primary).replica(node(cluster.replica(1), role, options));
  }

  private static DatabaseNode node(PostgresNode node, String role, String options) {
    return cluster.node(node, url(node, "app"), url(node, role) + options);
  }

  private static final String REPLICATING =
      "&replication=database&preferQueryMode=simple&assumeMinServerVersion=15";

  /** Writes, reads on a replica, and hands on a token. */
  private static void assertWorks(ReadYourWrites db) {
    Session session = db.session();
    db.write(session, tx -> rename(tx, 1, "granted"));
    await()
        .atMost(LONG)
        .until(
            () -> {
              assertThat(db.<String, RuntimeException>read(session, tx -> name(tx, 1)))
                  .isEqualTo("granted");
              return session.lastDecision().orElseThrow().reason().isReplica();
            });
    assertThat(db.token(session)).isPresent();
  }

  @Test
  void probesWithPgMonitor_andPoolsWithTheirTablesAlone_doAll() {
    assertWorks(cluster.start(probedBy("probe", "")));
  }

  @Test
  void probesWithReplication_doAll() {
    assertWorks(cluster.start(probedBy("replicator", REPLICATING)));
  }

  @Test
  void probesWithoutGrants_areToldWhichTheyLack() {
    for (String role : new String[] {"nobody", "unaware", "replicator"}) {
      assertThatThrownBy(() -> probedBy(role, "").start())
          .as(role)
          .isInstanceOfSatisfying(
              RoutingException.class,
              e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.MISCONFIGURED))
          .hasMessageContaining("node 'primary'")
          .hasMessageContaining("GRANT pg_monitor to their role, or give it REPLICATION");
    }
  }

  @Test
  void replicatingProbes_withoutTheAttribute_areToldByTheServer() {
    assertThatThrownBy(() -> probedBy("probe", REPLICATING).start())
        .isInstanceOf(RoutingException.class)
        .hasMessageContaining("node 'primary' does not answer its first probe")
        .message()
        .containsIgnoringCase("replication");
  }
}
