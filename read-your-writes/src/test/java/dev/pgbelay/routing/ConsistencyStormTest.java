package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.routing.History.Handed;
import dev.pgbelay.routing.History.Op;
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
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Many sessions, two routers, every fault at once; the history is judged without positions. */
class ConsistencyStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int KEYS = 40;
  private static final int SESSIONS = 100;
  private static final int THREADS = 6;

  /** How a writer gets the position of its write. */
  private enum Position {
    RIGHT,
    BEFORE_COMMIT,
    FLUSHED
  }

  private final long seed = Long.getLong("pgbelay.seed", System.nanoTime());
  private final History history = new History();
  private final AtomicLong names = new AtomicLong();
  private final AtomicInteger unknown = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();
  private final AtomicInteger lost = new AtomicInteger();
  private final AtomicBoolean over = new AtomicBoolean();
  private final Set<Session> gone = ConcurrentHashMap.newKeySet();

  /** A session with the name it has in the history, and the router it belongs to. */
  private record Line(long name, Session session, ReadYourWrites db) {}

  private static void prepare(Cluster cluster) {
    cluster.execute("CREATE TABLE register (id integer PRIMARY KEY, value bigint NOT NULL)");
    cluster.execute("INSERT INTO register SELECT g, 0 FROM generate_series(1, " + KEYS + ") AS g");
    cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
  }

  private ReadYourWrites open(Cluster cluster, FaultProxy proxy, boolean compares) {
    PostgresNode primary = cluster.primary();
    ReadYourWritesBuilder builder =
        ReadYourWrites.builder(
                cluster.node(primary, proxy.jdbcUrl("postgres"), cluster.replicating(primary)))
            .probeInterval(Duration.ofMillis(20))
            .maxAge(Duration.ofMillis(500))
            .maxWait(Duration.ofMillis(30))
            .failoverWait(Duration.ofSeconds(20))
            .onLost(
                position -> {
                  lost.incrementAndGet();
                  gone.add(position.session());
                });
    cluster.servers().replicas().forEach(node -> builder.replica(cluster.exact(node)));
    return cluster.start(compares ? builder : builder.withoutComparison());
  }

  private Line begin(ReadYourWrites db) {
    return new Line(names.incrementAndGet(), db.session(), db);
  }

  private void write(Line line, int key, Position how) {
    long begun = System.nanoTime();
    try {
      long value =
          how == Position.RIGHT
              ? line.db().write(line.session(), tx -> increment(tx.connection(), key))
              : withWrongPosition(line, key, how);
      history.add(new Op(line.name(), true, key, value, begun, System.nanoTime(), node(line)));
    } catch (OutcomeUnknownException e) {
      unknown.incrementAndGet();
    } catch (RuntimeException | SQLException e) {
      refused.incrementAndGet();
    }
  }

  private static long increment(Connection connection, int key) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "UPDATE register SET value = value + 1 WHERE id = " + key + " RETURNING value")) {
      row.next();
      return row.getLong(1);
    }
  }

  private static CommitPosition position(Connection connection, String function)
      throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()),"
                    + " 8))::bit(32)::int, "
                    + function
                    + "() - '0/0'::pg_lsn FROM pg_control_system()")) {
      row.next();
      return new CommitPosition(row.getLong(1), row.getInt(2), row.getLong(3));
    }
  }

  /** As others do it; the session itself learns nothing from the commit. */
  private long withWrongPosition(Line line, int key, Position how) throws SQLException {
    Member primary = line.db().fleet().primary();
    Transactions plain = Transactions.of(primary.node().pool());
    CommitPosition[] taken = new CommitPosition[1];
    long value =
        plain.run(
            tx -> {
              if (how == Position.FLUSHED) {
                tx.dsl().execute("SET LOCAL synchronous_commit = off");
              }
              long changed = increment(tx.connection(), key);
              taken[0] = position(tx.connection(), "pg_current_wal_insert_lsn");
              return changed;
            });
    if (how == Position.FLUSHED) {
      try (Connection connection = primary.node().pool().getConnection()) {
        taken[0] = position(connection, "pg_current_wal_flush_lsn");
      }
    }
    line.db().join(line.session(), ConsistencyToken.of(taken[0]));
    return value;
  }

  private void read(Line line, int key) {
    long begun = System.nanoTime();
    try {
      long value =
          line.db()
              .read(
                  line.session(),
                  tx -> {
                    try (Statement statement = tx.connection().createStatement();
                        ResultSet row =
                            statement.executeQuery(
                                "SELECT value FROM register WHERE id = " + key)) {
                      row.next();
                      return row.getLong(1);
                    }
                  });
      // A session that was told of a loss owes nothing from that very read on.
      if (!gone.contains(line.session())) {
        history.add(new Op(line.name(), false, key, value, begun, System.nanoTime(), node(line)));
      }
    } catch (RuntimeException | SQLException e) {
      refused.incrementAndGet();
    }
  }

  private static String node(Line line) {
    return line.session().lastDecision().map(RouteDecision::node).orElse("?");
  }

  /** The other router goes on from the token. */
  private Line handOver(Line line, ReadYourWrites to) {
    Optional<ConsistencyToken> token = line.db().token(line.session());
    long at = System.nanoTime();
    Line next =
        token.isPresent()
            ? new Line(names.incrementAndGet(), to.session(token.get()), to)
            : begin(to);
    // What a session was told to be lost, its token does not carry either.
    if (token.isPresent() && !gone.contains(line.session())) {
      history.add(new Handed(line.name(), next.name(), at));
    }
    return next;
  }

  private void run(List<ReadYourWrites> routers, long operations, Position how) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    AtomicLong left = new AtomicLong(operations);
    List<Future<?>> running = new ArrayList<>();
    for (int t = 0; t < THREADS; t++) {
      Random random = new Random(seed + t);
      running.add(
          threads.submit(
              () -> {
                Line[] lines = new Line[SESSIONS / THREADS + 1];
                while (left.getAndDecrement() > 0 && !Thread.currentThread().isInterrupted()) {
                  int at = random.nextInt(lines.length);
                  Line line = lines[at];
                  if (line == null || gone.contains(line.session())) {
                    line = begin(routers.get(random.nextInt(2)));
                  }
                  int key = 1 + random.nextInt(KEYS);
                  int what = random.nextInt(100);
                  if (what < 15) {
                    write(line, key, how);
                    read(line, key);
                  } else if (what < 20) {
                    line = handOver(line, routers.get(random.nextInt(2)));
                  } else {
                    read(line, key);
                  }
                  lines[at] = line;
                }
              }));
    }
    threads.shutdown();
    for (Future<?> each : running) {
      each.get();
    }
  }

  /** One fault after the other until it is over. */
  private void disturb(Cluster cluster, FaultProxy proxy, boolean promotes, Random random) {
    boolean promoted = false;
    long begun = System.nanoTime();
    while (!over.get()) {
      List<PostgresNode> replicas =
          cluster.servers().replicas().stream().filter(node -> node != cluster.primary()).toList();
      PostgresNode replica = replicas.get(random.nextInt(replicas.size()));
      switch (random.nextInt(6)) {
        case 0 -> {
          replica.pauseReplay();
          pause(random, 200);
          replica.resumeReplay();
        }
        case 1 -> {
          replica.lag(Duration.ofMillis(20 + random.nextInt(200)));
          pause(random, 400);
          replica.lag(Duration.ZERO);
        }
        case 2 -> {
          replica.crash();
          pause(random, 200);
          replica.restart();
        }
        case 3 -> {
          replica.suspend();
          pause(random, 700);
          replica.resume();
        }
        case 4 -> {
          proxy.cutBeforeCommit(1 + random.nextInt(5));
          proxy.cutAfterCommit(1 + random.nextInt(5));
        }
        default -> cluster.execute("VACUUM register");
      }
      pause(random, 150);
      if (promotes && !promoted && System.nanoTime() - begun > 3_000_000_000L) {
        promoted = true;
        promote(cluster, random);
      }
    }
  }

  /** The first replica takes over, and the second follows it. */
  private static void promote(Cluster cluster, Random random) {
    if (random.nextBoolean()) {
      cluster.primary().crash();
    }
    cluster.replica(1).promote();
    cluster.follow(cluster.replica(2), cluster.replica(1));
  }

  private static void pause(Random random, int most) {
    try {
      Thread.sleep(1 + random.nextInt(most));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void storm(boolean promotes, long operations) throws Exception {
    System.out.println("seed " + seed);
    try (Cluster cluster =
            new Cluster(
                PostgresCluster.builder()
                    .replicas(2)
                    .serverConfig("max_standby_streaming_delay", "50ms")
                    .start());
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary())) {
      prepare(cluster);
      List<ReadYourWrites> routers =
          List.of(open(cluster, proxy, true), open(cluster, proxy, true));
      ExecutorService faults = Executors.newSingleThreadExecutor();
      Future<?> disturbing =
          faults.submit(() -> disturb(cluster, proxy, promotes, new Random(seed)));
      try {
        run(routers, operations, Position.RIGHT);
      } finally {
        over.set(true);
        faults.shutdown();
      }
      await(disturbing);
      System.out.printf(
          "%d operations, %d reads, %d on the first primary; %d unknown, %d refused, %d lost%n",
          history.size(),
          history.reads(),
          history.readsOn("primary"),
          unknown.get(),
          refused.get(),
          lost.get());
      assertThat(history.violations()).isEmpty();
      assertThat(history.reads()).isGreaterThan(operations / 4);
      assertThat(history.reads() - history.readsOn("primary"))
          .as("reads on replicas")
          .isGreaterThan(history.reads() / 20);
    }
  }

  private static void await(Future<?> task) throws InterruptedException {
    try {
      task.get();
    } catch (ExecutionException e) {
      throw new AssertionError("a fault could not be made", e.getCause());
    }
  }

  @Test
  void noSessionSeesThePast_whateverFails() throws Exception {
    storm(false, FULL ? 1_000_000 : 6_000);
  }

  /** Not by default yet: a few of its findings are not explained (guide, first lines). */
  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void noSessionSeesThePast_acrossAFailOver() throws Exception {
    storm(true, FULL ? 300_000 : 10_000);
  }

  /** A checker that has never found anything proves nothing. */
  private void shownToFail(boolean compares, Position how) throws Exception {
    System.out.println("seed " + seed);
    try (Cluster cluster = new Cluster(2);
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary())) {
      prepare(cluster);
      List<ReadYourWrites> routers =
          List.of(open(cluster, proxy, compares), open(cluster, proxy, compares));
      cluster.replica(1).lag(Duration.ofMillis(how == Position.BEFORE_COMMIT ? 0 : 30));
      for (int i = 0; i < 20 && history.violations().isEmpty(); i++) {
        run(routers, 1_000, how);
      }
      System.out.println(history.violations().size() + " violations of " + history.size());
      assertThat(history.violations()).isNotEmpty();
    }
  }

  @Test
  void withoutTheComparison_sessionsSeeThePast() throws Exception {
    shownToFail(false, Position.RIGHT);
  }

  @Test
  void withPositionsTakenBeforeCommit_sessionsSeeThePast() throws Exception {
    shownToFail(true, Position.BEFORE_COMMIT);
  }

  @Test
  void withFlushPositionsUnderAsynchronousCommit_sessionsSeeThePast() throws Exception {
    shownToFail(true, Position.FLUSHED);
  }
}
