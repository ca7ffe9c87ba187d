package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.kafka.OutboxStorm.Fault;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Producers of all kinds, three relay processes, a broker and a consumer with an inbox, while
 * processes are killed and stopped, sessions ended, COMMITs cut, and the server and the broker go
 * down and come back. What is right afterwards is decided by {@link StormChecker} from the history
 * alone, which is kept under {@code target/storm}.
 */
class OutboxStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int RELAYS = 3;
  private static final int EVENTS = FULL ? RELAYS * 50_000 : 800;
  private static final int KEYS_OF_EACH = 100;
  private static final int ROUNDS = FULL ? 4 : 1;
  private static final double CUT = FULL ? 0.002 : 0.01;
  private static final Duration LIMIT = Duration.ofMinutes(FULL ? 25 : 4);

  private static long seed() {
    return Long.getLong("pgbelay.seed", System.nanoTime());
  }

  private static List<Fault> plan(Random random) {
    List<Fault> plan = new ArrayList<>();
    for (int round = 0; round < ROUNDS; round++) {
      List<Fault> faults = new ArrayList<>(List.of(Fault.values()));
      Collections.shuffle(faults, random);
      plan.addAll(faults);
    }
    return plan;
  }

  @Test
  void relayProcessesUnderRandomFaults_loseNothingKeepTheOrderAndHaveEachEffectOnce()
      throws Exception {
    long seed = seed();
    System.out.println("outbox storm: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    Path folder = Path.of("target", "storm", "outbox-" + seed);
    long begun = System.nanoTime();
    try (KafkaBroker broker = KafkaBroker.start();
        PostgresCluster cluster =
            PostgresCluster.builder().serverConfig("track_commit_timestamp", "on").start();
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary());
        HikariDataSource direct = StormTables.pool(cluster.primary().jdbcUrl(), 3)) {
      broker.createTopic(StormTables.TOPIC, 4, Map.of());
      StormTables tables = StormTables.install(direct, KEYS_OF_EACH);
      proxy.cutCommitsAtRandom(seed, CUT, CUT);
      String url = proxy.jdbcUrl("postgres");
      try (OutboxStorm storm = new OutboxStorm(folder, url, broker, direct, random, LIMIT);
          HikariDataSource pool = StormTables.pool(url, 6);
          StormProducers producers = new StormProducers(pool, KEYS_OF_EACH, EVENTS)) {
        storm.start(RELAYS);
        List<Fault> plan = plan(random);
        int step = EVENTS / (plan.size() + 4);
        producers.allow(3 * step);
        producers.start(4, seed);
        for (int i = 0; i < plan.size(); i++) {
          storm.awaitEffects((i + 1) * step);
          producers.allow((i + 4) * step);
          storm.provoke(plan.get(i), cluster);
        }
        producers.allow(EVENTS);
        producers.await(LIMIT);
        storm.awaitEffects(tables.committed());
        proxy.cutCommitsAtRandom(seed, 0, 0);
        storm.calm();
        StormHistory history = storm.history(producers);
        StormChecker.Verdict verdict = StormChecker.judge(history);
        System.out.println(
            "outbox storm: committed "
                + history.commits().size()
                + ", rolled back "
                + history.rolledBack().size()
                + ", records "
                + history.records().size()
                + ", repeats "
                + verdict.causes()
                + ", identities "
                + history.relays().size()
                + "; "
                + producers.report()
                + "; "
                + storm.report(proxy)
                + "; "
                + Duration.ofNanos(System.nanoTime() - begun).toSeconds()
                + " s");
        assertThat(verdict.findings()).as("seed %d, see %s", seed, folder).isEmpty();
        assertThat(history.commits()).hasSizeGreaterThanOrEqualTo(EVENTS);
      }
    }
  }

  /**
   * The primary is killed and its synchronous standby promoted while everything is under way. Only
   * what stands in the new primary was ever committed: all of that arrives, and nothing else.
   */
  @Test
  void failOverToASynchronousStandby_losesNothingThatWasCommitted() throws Exception {
    long seed = seed();
    int events = FULL ? 20_000 : 600;
    System.out.println("outbox fail-over: -Dpgbelay.seed=" + seed);
    Path folder = Path.of("target", "storm", "fail-over-" + seed);
    long begun = System.nanoTime();
    try (KafkaBroker broker = KafkaBroker.start();
        PostgresCluster cluster =
            PostgresCluster.builder()
                .serverConfig("track_commit_timestamp", "on")
                .replicas(1)
                .start()) {
      broker.createTopic(StormTables.TOPIC, 4, Map.of());
      String url =
          "jdbc:postgresql://127.0.0.1:"
              + cluster.primary().address().getPort()
              + ",127.0.0.1:"
              + cluster.replica().address().getPort()
              + "/postgres?user=postgres&targetServerType=primary&hostRecheckSeconds=0";
      try (HikariDataSource direct = StormTables.pool(url, 3);
          HikariDataSource pool = StormTables.pool(url, 6)) {
        StormTables tables = StormTables.install(direct, KEYS_OF_EACH);
        cluster.primary().configure("synchronous_standby_names", cluster.replica().name());
        try (OutboxStorm storm =
                new OutboxStorm(folder, url, broker, direct, new Random(seed), LIMIT);
            StormProducers producers = new StormProducers(pool, KEYS_OF_EACH, events)) {
          storm.start(RELAYS);
          producers.allow(events / 2);
          producers.start(4, seed);
          storm.awaitEffects(events / 3);
          producers.allow(events);
          int before = tables.committed();
          cluster.primary().crash();
          cluster.replica().promote();
          direct.getHikariPoolMXBean().softEvictConnections();
          producers.await(LIMIT);
          storm.awaitEffects(tables.committed());
          storm.calm();
          StormHistory history = storm.history(producers);
          StormChecker.Verdict verdict = StormChecker.judge(history);
          System.out.println(
              "outbox fail-over: committed before "
                  + before
                  + ", in all "
                  + history.commits().size()
                  + ", records "
                  + history.records().size()
                  + ", repeats "
                  + verdict.causes()
                  + ", identities renewed "
                  + StormChecker.nodes(history, StormHistory.End.RENEWED).size()
                  + ", expired "
                  + StormChecker.nodes(history, StormHistory.End.EXPIRED).size()
                  + "; "
                  + producers.report()
                  + "; "
                  + Duration.ofNanos(System.nanoTime() - begun).toSeconds()
                  + " s");
          assertThat(verdict.findings()).as("seed %d, see %s", seed, folder).isEmpty();
          assertThat(history.commits()).hasSizeGreaterThanOrEqualTo(events);
          assertThat(cluster.primary().timeline()).isGreaterThan(1);
        }
      }
    }
  }
}
