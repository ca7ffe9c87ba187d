package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * Sessions that count up and look, through connections that are kept or not, in transactions or
 * not, while replicas stand still and connections are cut at COMMIT: what a session wrote or saw is
 * there in every later look of it. {@code -Dpgbelay.seed} takes a run again.
 */
class RoutingDataSourceStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int OPERATIONS = FULL ? 40_000 : 1_500;
  private static final int THREADS = 4;
  private static final int ROWS = 5;

  private final Queue<String> violations = new ConcurrentLinkedQueue<>();
  private final AtomicInteger onReplicas = new AtomicInteger();
  private final AtomicInteger operations = new AtomicInteger();
  private final AtomicInteger losses = new AtomicInteger();
  private final AtomicInteger failures = new AtomicInteger();

  @Test
  void sessions_neverSeeLessThanTheyWroteOrSaw() throws Exception {
    storm(false, false);
    assertThat(violations).isEmpty();
  }

  /** Which loses what was written last: who was told so owes nothing of before. */
  @Test
  void sessions_neverSeeLessThanTheyWroteOrSaw_acrossAFailOver() throws Exception {
    storm(false, true);
    assertThat(violations).isEmpty();
    assertThat(losses.get()).isPositive();
  }

  @Test
  void withoutTheComparison_theSameStormFindsViolations() throws Exception {
    storm(true, false);
    assertThat(violations).isNotEmpty();
  }

  private void storm(boolean withoutComparison, boolean failsOver) throws Exception {
    long seed = Long.getLong("pgbelay.seed", ThreadLocalRandom.current().nextLong());
    System.out.println("pgbelay.seed=" + seed);
    try (Cluster cluster =
            new Cluster(PostgresCluster.builder().replicas(2).replicasThroughProxy().start());
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary())) {
      cluster.execute(
          "CREATE TABLE counter AS SELECT g AS id, 0 AS n FROM generate_series(0, 4) g");
      cluster.servers().replicas().forEach(node -> node.awaitCaughtUp());
      ReadYourWritesBuilder builder =
          ReadYourWrites.builder(
                  cluster.node(
                      cluster.primary(),
                      proxy.jdbcUrl("postgres"),
                      cluster.replicating(cluster.primary())))
              .replica(cluster.exact(cluster.replica(1)))
              .replica(cluster.exact(cluster.replica(2)))
              .failoverWait(Duration.ofSeconds(30))
              .onLost(lost -> losses.incrementAndGet())
              .probeInterval(Duration.ofMillis(10))
              .maxWait(Duration.ofMillis(20));
      ReadYourWrites db = cluster.start(withoutComparison ? builder.withoutComparison() : builder);
      RoutingDataSource source = RoutingDataSource.of(db);
      proxy.cutCommitsAtRandom(seed, 0.02, 0.02);
      AtomicBoolean over = new AtomicBoolean();
      List<PostgresNode> replicas = List.of(cluster.replica(1), cluster.replica(2));
      Thread pauses =
          new Thread(
              () -> {
                if (failsOver) {
                  failOver(cluster, replicas.get(0), replicas.get(1));
                } else {
                  pause(cluster, new Random(seed), over);
                }
              },
              "pauses");
      pauses.start();
      List<Thread> users = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        Random random = new Random(seed + 1 + i);
        users.add(new Thread(() -> use(db, source, random), "user-" + i));
      }
      users.forEach(Thread::start);
      for (Thread user : users) {
        user.join();
      }
      over.set(true);
      pauses.join();
      proxy.heal();
    }
    System.out.printf(
        "%d operations, %d looks on replicas, %d failures, %d violations%n",
        OPERATIONS, onReplicas.get(), failures.get(), violations.size());
    assertThat(onReplicas.get()).as("looks on replicas").isGreaterThan(OPERATIONS / 50);
  }

  /** One replica stands still at a time, so that looks have somewhere to go. */
  private static void pause(Cluster cluster, Random random, AtomicBoolean over) {
    while (!over.get()) {
      int number = 1 + random.nextInt(2);
      cluster.replica(number).pauseReplay();
      sleep(20 + random.nextInt(80));
      cluster.replica(number).resumeReplay();
      sleep(random.nextInt(20));
    }
  }

  /** In the middle, when something was written that no replica has. */
  private void failOver(Cluster cluster, PostgresNode promoted, PostgresNode follower) {
    awaitOperations(OPERATIONS / 3);
    PostgresNode old = cluster.primary();
    FaultProxy stream = promoted.upstreamProxy().orElseThrow();
    // The follower must not have more.
    follower.upstreamProxy().orElseThrow().freeze();
    stream.freeze();
    awaitOperations(OPERATIONS / 3 + OPERATIONS / 10);
    old.crash();
    stream.dropConnections();
    promoted.promote();
    cluster.follow(follower, promoted);
  }

  private void awaitOperations(int count) {
    Awaitility.await().atMost(Duration.ofMinutes(3)).until(() -> operations.get() >= count);
  }

  private static void sleep(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** What one session knows of the rows. */
  private static final class Known {
    private final Session session;
    private final int[] least = new int[ROWS];
    private Optional<LostPosition> lost = Optional.empty();

    Known(Session session) {
      this.session = session;
    }

    /** It was told of a loss, and owes nothing of before. */
    void hears() {
      if (!session.lost().equals(lost)) {
        lost = session.lost();
        Arrays.fill(least, 0);
      }
    }
  }

  private void use(ReadYourWrites db, RoutingDataSource source, Random random) {
    List<Known> sessions = List.of(new Known(db.session()), new Known(db.session()));
    Connection kept = source.getConnection();
    for (int i = 0; i < OPERATIONS / THREADS; i++) {
      operations.incrementAndGet();
      Known known = sessions.get(random.nextInt(sessions.size()));
      try (ScopedSession scope = ScopedSession.open(known.session)) {
        assertThat(scope.session()).isNotNull();
        if (random.nextInt(3) == 0) {
          once(kept, known, random);
        } else {
          try (Connection connection = source.getConnection()) {
            once(connection, known, random);
          }
        }
      } catch (SQLException e) {
        failures.incrementAndGet();
        kept = renewed(kept, source);
      }
    }
    renewed(kept, source);
  }

  private static Connection renewed(Connection kept, RoutingDataSource source) {
    try {
      kept.close();
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
    return source.getConnection();
  }

  private void once(Connection connection, Known known, Random random) throws SQLException {
    boolean transaction = random.nextInt(4) > 0;
    boolean looks = random.nextInt(4) > 0;
    connection.setReadOnly(looks);
    connection.setAutoCommit(!transaction);
    int row = random.nextInt(ROWS);
    int seen = looks ? look(connection, known, row) : count(connection, row);
    known.hears();
    if (transaction) {
      connection.commit();
    }
    known.hears();
    known.least[row] = Math.max(known.least[row], seen);
  }

  private static int count(Connection connection, int row) throws SQLException {
    return number(connection, "UPDATE counter SET n = n + 1 WHERE id = ? RETURNING n", row);
  }

  private int look(Connection connection, Known known, int row) throws SQLException {
    int seen = number(connection, "SELECT n FROM counter WHERE id = ?", row);
    RouteDecision decision = known.session.lastDecision().orElseThrow();
    if (decision.reason().isReplica()) {
      onReplicas.incrementAndGet();
    }
    known.hears();
    if (seen < known.least[row]) {
      violations.add(seen + " after " + known.least[row] + " of row " + row + ", " + decision);
    }
    return seen;
  }

  private static int number(Connection connection, String sql, int row) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setInt(1, row);
      return Integer.parseInt(RoutedJdbc.only(statement));
    }
  }
}
