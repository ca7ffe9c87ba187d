package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.StormFaults.Promotion;
import dev.pgbelay.routing.StormSessions.Position;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.io.BufferedReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many sessions, two routers, every fault at once; the history is judged without positions. At full
 * scale the routers are processes of their own, which write their history out.
 */
class ConsistencyStormTest {
  private static final long SMALL = 4_000;

  /** Of which more than a million come to an end that is judged. */
  private static final long OPERATIONS = Long.getLong("pgbelay.operations", 1_060_000);

  private final long seed = Long.getLong("pgbelay.seed", System.nanoTime());

  /** The servers of a storm, with a proxy before each that is a primary at some time. */
  private static final class Servers implements AutoCloseable {
    final Cluster cluster;
    final FaultProxy primary;
    final FaultProxy heir;

    Servers() {
      cluster =
          new Cluster(
              PostgresCluster.builder()
                  .replicas(2)
                  .replicasThroughProxy()
                  .serverConfig("max_standby_streaming_delay", "50ms")
                  .start());
      cluster.execute("CREATE TABLE register (id integer PRIMARY KEY, value bigint NOT NULL)");
      cluster.execute(
          "INSERT INTO register SELECT g, 0 FROM generate_series(1, "
              + StormSessions.KEYS
              + ") AS g");
      cluster.servers().replicas().forEach(PostgresNode::awaitCaughtUp);
      primary = FaultProxy.inFrontOf(cluster.primary());
      heir = FaultProxy.inFrontOf(cluster.replica(1));
    }

    List<PostgresNode> nodes() {
      return List.of(cluster.primary(), cluster.replica(1), cluster.replica(2));
    }

    String url(PostgresNode node) {
      if (node == cluster.primary()) {
        return primary.jdbcUrl("postgres");
      }
      return node == cluster.replica(1) ? heir.jdbcUrl("postgres") : node.jdbcUrl();
    }

    ReadYourWritesBuilder builder() {
      List<DatabaseNode> all =
          nodes().stream()
              .map(node -> cluster.node(node, url(node), cluster.replicating(node)))
              .toList();
      return ReadYourWrites.builder(all.get(0)).replica(all.get(1)).replica(all.get(2));
    }

    List<String> arguments() {
      List<String> all = new ArrayList<>();
      for (PostgresNode node : nodes()) {
        all.addAll(List.of(node.name(), url(node), cluster.replicating(node)));
      }
      return all;
    }

    StormFaults faults(Promotion promotion, long seed) {
      return new StormFaults(cluster, List.of(primary, heir), promotion, seed);
    }

    @Override
    public void close() {
      primary.close();
      heir.close();
      cluster.close();
    }
  }

  /** Both routers in this process. */
  private void storm(Promotion promotion, long operations) throws Exception {
    System.out.println("seed " + seed + ", " + promotion.name().toLowerCase(Locale.ROOT));
    History history = new History();
    try (Servers servers = new Servers();
        StormSessions one = new StormSessions(1, servers.builder(), Position.RIGHT);
        StormSessions other = new StormSessions(2, servers.builder(), Position.RIGHT)) {
      one.handTo(other::receive);
      other.handTo(one::receive);
      whileItStorms(servers.faults(promotion, seed), List.of(one, other), operations);
      for (StormSessions sessions : List.of(one, other)) {
        history.addAll(sessions.history);
      }
      System.out.printf(
          "%d unknown, %d refused, %d lost%n",
          one.unknown.get() + other.unknown.get(),
          one.refused.get() + other.refused.get(),
          one.lost.get() + other.lost.get());
      if (promotion == Promotion.NONE) {
        assertThat(one.lost.get() + other.lost.get()).isZero();
      }
    }
    judge(history, operations);
  }

  private void whileItStorms(StormFaults faults, List<StormSessions> all, long operations)
      throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(all.size() + 1);
    Future<?> disturbing = threads.submit(faults::run);
    List<Future<?>> running = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      StormSessions sessions = all.get(i);
      long own = seed + 100L * i;
      running.add(
          threads.submit(
              () -> {
                sessions.run(operations / all.size(), own);
                return null;
              }));
    }
    threads.shutdown();
    try {
      for (Future<?> each : running) {
        each.get();
      }
    } finally {
      faults.end();
    }
    await(disturbing);
  }

  private static void judge(History history, long operations) {
    System.out.printf(
        "%d operations, %d reads, %d on the first primary, %d tokens handed over%n",
        history.size(), history.reads(), history.readsOn("primary"), history.handed());
    assertThat(history.violations()).isEmpty();
    assertThat(history.writesToDemoted()).isEmpty();
    assertThat(history.reads()).isGreaterThan(operations / 4);
    assertThat(history.handed()).isGreaterThan(operations / 200);
  }

  private static void await(Future<?> task) throws InterruptedException {
    try {
      task.get();
    } catch (ExecutionException e) {
      throw new AssertionError("a fault could not be made: " + e.getCause(), e.getCause());
    }
  }

  /** Two processes, which hand tokens to each other. */
  private void stormOfProcesses(Promotion promotion, long operations, Path folder)
      throws Exception {
    System.out.println("seed " + seed + ", " + promotion.name().toLowerCase(Locale.ROOT));
    History history = new History();
    List<Process> processes = new ArrayList<>();
    try (Servers servers = new Servers()) {
      for (int i = 0; i < 2; i++) {
        processes.add(
            StormProcess.start(
                i + 1,
                operations / 2,
                seed + 100L * i,
                folder.resolve("history" + i),
                servers.arguments()));
      }
      BufferedReader one = processes.get(0).inputReader(StandardCharsets.UTF_8);
      BufferedReader other = processes.get(1).inputReader(StandardCharsets.UTF_8);
      String portOfOne = one.readLine();
      String portOfOther = other.readLine();
      say(processes.get(0), portOfOther);
      say(processes.get(1), portOfOne);
      StormFaults faults = servers.faults(promotion, seed);
      ExecutorService threads = Executors.newSingleThreadExecutor();
      Future<?> disturbing = threads.submit(faults::run);
      threads.shutdown();
      try {
        System.out.println(one.readLine());
        System.out.println(other.readLine());
        for (Process process : processes) {
          assertThat(process.waitFor()).isZero();
        }
      } finally {
        faults.end();
      }
      await(disturbing);
    } finally {
      processes.forEach(Process::destroyForcibly);
    }
    for (int i = 0; i < 2; i++) {
      history.read(folder.resolve("history" + i));
    }
    judge(history, operations);
  }

  private static void say(Process process, String line) {
    PrintWriter out = new PrintWriter(process.outputWriter(StandardCharsets.UTF_8), true);
    out.println(line);
  }

  @Test
  void noSessionSeesThePast_whateverFails() throws Exception {
    storm(Promotion.NONE, SMALL);
  }

  @Test
  void noSessionSeesThePast_acrossAFailOverThatLosesSomething() throws Exception {
    storm(Promotion.LOSING, SMALL);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void noSessionSeesThePast_thoughTheOldPrimaryStillAnswers() throws Exception {
    storm(Promotion.SPLIT, SMALL);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void noSessionSeesThePast_acrossAPlannedFailOver() throws Exception {
    storm(Promotion.PLANNED, SMALL);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void twoProcesses_whateverFails(@TempDir Path folder) throws Exception {
    stormOfProcesses(Promotion.NONE, OPERATIONS * 6 / 10, folder);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void twoProcesses_acrossAPlannedFailOver(@TempDir Path folder) throws Exception {
    stormOfProcesses(Promotion.PLANNED, OPERATIONS / 10, folder);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void twoProcesses_acrossAFailOverThatLosesSomething(@TempDir Path folder) throws Exception {
    stormOfProcesses(Promotion.LOSING, OPERATIONS * 2 / 10, folder);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void twoProcesses_thoughTheOldPrimaryStillAnswers(@TempDir Path folder) throws Exception {
    stormOfProcesses(Promotion.SPLIT, OPERATIONS / 10, folder);
  }

  /** A checker that has never found anything proves nothing. */
  private void shownToFail(boolean compares, Position how) throws Exception {
    System.out.println("seed " + seed);
    try (Servers servers = new Servers();
        StormSessions one = new StormSessions(1, builder(servers, compares), how);
        StormSessions other = new StormSessions(2, builder(servers, compares), how)) {
      one.handTo(other::receive);
      other.handTo(one::receive);
      servers.cluster.replica(1).lag(Duration.ofMillis(how == Position.BEFORE_COMMIT ? 0 : 30));
      History history = new History();
      for (int i = 0; i < 20 && history.violations().isEmpty(); i++) {
        one.run(500, seed + i);
        other.run(500, seed + 1_000 + i);
        history = new History();
        history.addAll(one.history);
        history.addAll(other.history);
      }
      System.out.println(history.violations().size() + " violations of " + history.size());
      assertThat(history.violations()).isNotEmpty();
    }
  }

  private static ReadYourWritesBuilder builder(Servers servers, boolean compares) {
    return compares ? servers.builder() : servers.builder().withoutComparison();
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
