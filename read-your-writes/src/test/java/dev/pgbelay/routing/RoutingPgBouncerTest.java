package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static dev.pgbelay.routing.RoutedJdbc.awaitReplicas;
import static dev.pgbelay.routing.RoutedJdbc.begin;
import static dev.pgbelay.routing.RoutedJdbc.isOnReplica;
import static dev.pgbelay.routing.RoutedJdbc.reason;
import static dev.pgbelay.routing.RoutedJdbc.value;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * PgBouncer in transaction mode in front of each server, with two server connections for eight
 * clients: each transaction may be on another one.
 */
@Timeout(240)
class RoutingPgBouncerTest {
  private static final int CLIENTS = 8;
  private static final int ROUNDS = 25;
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final String UNPREPARED = "&prepareThreshold=0";

  private static @Nullable Cluster cluster;
  private static @Nullable PgBouncer ofPrimary;
  private static @Nullable PgBouncer ofReplica;

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
    ofPrimary = PgBouncer.inFrontOf(cluster.primary(), 2);
    ofReplica = PgBouncer.inFrontOf(cluster.replica(1), 2);
  }

  @AfterEach
  void endTest() {
    cluster().endTest();
  }

  @AfterAll
  static void stop() {
    if (ofReplica != null) {
      ofReplica.close();
    }
    if (ofPrimary != null) {
      ofPrimary.close();
    }
    if (cluster != null) {
      cluster.close();
    }
  }

  private static Cluster cluster() {
    return Objects.requireNonNull(cluster);
  }

  private static PgBouncer ofPrimary() {
    return Objects.requireNonNull(ofPrimary);
  }

  private static String pooled(PgBouncer bouncer) {
    return bouncer.jdbcUrl("postgres") + UNPREPARED;
  }

  private static DatabaseNode node(PostgresNode node, PgBouncer bouncer) {
    DatabaseNode pooled = cluster().node(node, pooled(bouncer), node.jdbcUrl());
    HikariDataSource pool = (HikariDataSource) pooled.pool();
    // a client may keep a connection while it reads on another one
    pool.setMaximumPoolSize(2 * CLIENTS);
    pool.setConnectionTimeout(60_000);
    return pooled;
  }

  private static ReadYourWritesBuilder pooledNodes() {
    return ReadYourWrites.builder(node(cluster().primary(), ofPrimary()))
        .replica(node(cluster().replica(1), Objects.requireNonNull(ofReplica)))
        .probeInterval(Duration.ofMillis(20))
        .maxAge(LONG)
        .maxWait(Duration.ofSeconds(5));
  }

  private interface Client {
    /** What number of its looks a replica took. */
    int run(int id) throws Exception;
  }

  private static int all(Client client) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    try {
      List<Future<Integer>> running = new ArrayList<>();
      for (int i = 1; i <= CLIENTS; i++) {
        int id = i;
        Callable<Integer> run = () -> client.run(id);
        running.add(threads.submit(run));
      }
      int byReplica = 0;
      for (Future<Integer> one : running) {
        byReplica += one.get(200, TimeUnit.SECONDS);
      }
      return byReplica;
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void writesAreSeen_andTokensHandedOn_throughThePooler() throws Exception {
    ReadYourWrites db = cluster().start(pooledNodes());
    ReadYourWrites other = cluster().start(pooledNodes());
    awaitReplicas(db);
    awaitReplicas(other);

    int byReplica =
        all(
            id -> {
              Session session = db.session();
              int count = 0;
              for (int i = 0; i < ROUNDS; i++) {
                String written = "routed " + id + " " + i;
                db.write(session, tx -> rename(tx, id, written));
                assertThat(db.<String, RuntimeException>read(session, tx -> name(tx, id)))
                    .isEqualTo(written);
                count += reason(session).isReplica() ? 1 : 0;
                Session elsewhere = other.session(db.token(session).orElseThrow());
                assertThat(other.<String, RuntimeException>read(elsewhere, tx -> name(tx, id)))
                    .isEqualTo(written);
                count += reason(elsewhere).isReplica() ? 1 : 0;
              }
              return count;
            });

    assertThat(byReplica).isPositive();
  }

  @Test
  @SuppressWarnings("try") // the scope is there, nothing more
  void connectionsOfFrameworks_seeWhatTheirSessionsWrote_throughThePooler() throws Exception {
    ReadYourWrites db = cluster().start(pooledNodes());
    awaitReplicas(db);
    RoutingDataSource source = RoutingDataSource.of(db);

    int byReplica =
        all(
            id -> {
              int count = 0;
              try (ScopedSession scope = ScopedSession.open(db.session());
                  Connection kept = begin(source, true)) {
                for (int i = 0; i < ROUNDS; i++) {
                  String written = "framework " + id + " " + i;
                  RoutedJdbc.rename(source, id, written);
                  assertThat(RoutedJdbc.name(kept, id)).isEqualTo(written);
                  count += isOnReplica(kept) ? 1 : 0;
                  kept.commit();
                  try (Connection alone = source.readOnly().getConnection()) {
                    assertThat(RoutedJdbc.name(alone, id)).isEqualTo(written);
                  }
                }
              }
              return count;
            });

    assertThat(byReplica).isPositive();
    assertThat(RoutedJdbc.borrowed(db)).isZero();
    assertNothingIsOpen(cluster().primary());
    assertNothingIsOpen(cluster().replica(1));
  }

  private static void assertNothingIsOpen(PostgresNode node) throws SQLException {
    try (Connection connection = node.connect()) {
      assertThat(
              value(
                  connection,
                  "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"))
          .as("%s", node)
          .isEqualTo("0");
    }
  }

  /** The connection to PgBouncer survives a crash of the server that direct ones do not. */
  @Test
  void keptConnection_doesNotShowAReplicaThatHasGoneBack() throws Exception {
    PostgresNode replica = cluster().replica(1);
    ReadYourWrites db = cluster().start(pooledNodes().probeInterval(Duration.ofSeconds(5)));
    awaitReplicas(db);
    RoutingDataSource source = RoutingDataSource.of(db);
    try (ScopedSession scope = ScopedSession.open(db.session());
        Connection kept = begin(source, true)) {
      RoutedJdbc.rename(source, 12, "before the crash");
      assertThat(RoutedJdbc.name(kept, 12)).isEqualTo("before the crash");
      kept.commit();
      assertThat(reason(scope.session()).isReplica()).isTrue();
      replica.lag(Duration.ofMinutes(10));
      try {
        HazardsPostgresTest.killBackendOf(replica);
        await().atMost(LONG).until(() -> HazardsPostgresTest.answers(replica));

        assertThat(HazardsPostgresTest.shows(replica, "before the crash")).isFalse();
        for (int i = 0; i < 5; i++) {
          assertThat(shownOrRefused(kept)).isIn("before the crash", "40001");
        }
        assertThat(shownOrRefused(kept)).isEqualTo("before the crash");
      } finally {
        replica.lag(Duration.ZERO);
      }
    }
    replica.awaitCaughtUp();
  }

  /** What a transaction shows, or the SQLSTATE with which a statement of it was not run. */
  private static String shownOrRefused(Connection kept) throws SQLException {
    try {
      return RoutedJdbc.name(kept, 12);
    } catch (SQLException e) {
      return e.getSQLState();
    } finally {
      kept.rollback();
    }
  }

  /** Nobody can say which process of the server had it. */
  @Test
  void lostCommit_keepsItsSessionOnThePrimary() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(ofPrimary().address())) {
      String url = pooled(ofPrimary());
      String cut =
          url.replace(":" + ofPrimary().address().getPort(), ":" + proxy.address().getPort());
      ReadYourWrites db =
          cluster()
              .start(
                  ReadYourWrites.builder(
                          cluster().node(cluster().primary(), cut, cluster().primary().jdbcUrl()))
                      .replica(node(cluster().replica(1), Objects.requireNonNull(ofReplica)))
                      .probeInterval(Duration.ofMillis(20)));
      awaitReplicas(db);
      Session session = db.session();
      proxy.cutAfterCommit(1);

      assertThatThrownBy(() -> db.write(session, tx -> rename(tx, 13, "nobody said so")))
          .isInstanceOf(OutcomeUnknownException.class);

      cluster().replica(1).awaitCaughtUp();
      for (int i = 0; i < 5; i++) {
        assertThat(db.<String, RuntimeException>read(session, tx -> name(tx, 13)))
            .isEqualTo("nobody said so");
        assertThat(reason(session).isReplica()).isFalse();
      }
    }
  }

  @Test
  void probesThroughThePooler_areRefusedAtTheStart() {
    PostgresNode primary = cluster().primary();
    ReadYourWritesBuilder builder =
        ReadYourWrites.builder(cluster().node(primary, pooled(ofPrimary()), pooled(ofPrimary())))
            .replica(node(cluster().replica(1), Objects.requireNonNull(ofReplica)));

    assertThatThrownBy(builder::start)
        .isInstanceOfSatisfying(
            RoutingException.class,
            e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.MISCONFIGURED))
        .hasMessageContaining("the probes of node 'primary' go through a pooler")
        .hasMessageContaining("connect them to the server itself");
  }

  @Test
  void whatWouldStayOnAServersSession_isRefused() throws Exception {
    ReadYourWrites db = cluster().start(pooledNodes());
    RoutingDataSource source = RoutingDataSource.of(db);
    try (ScopedSession scope = ScopedSession.open(db.session())) {
      try (Connection connection = source.getConnection()) {
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        assertThatThrownBy(() -> RoutedJdbc.rename(connection, 14, "isolated"))
            .isInstanceOf(SQLFeatureNotSupportedException.class)
            .hasMessageContaining("isolation cannot be set on a connection to node 'primary'");
      }
      try (Connection connection = source.getConnection()) {
        RoutedJdbc.rename(connection, 14, "kept");
        assertThatThrownBy(() -> connection.setSchema("elsewhere"))
            .isInstanceOf(SQLFeatureNotSupportedException.class)
            .hasMessageContaining("schema cannot be set");
      }
      assertThat(db.<String, RuntimeException>read(scope.session(), tx -> name(tx, 14)))
          .isEqualTo("kept");
    }
  }
}
