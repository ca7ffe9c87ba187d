package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Workers in processes of their own that are killed, or stand still, in the middle of a chunk. */
class PropagationProcessTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int KILLS = Integer.getInteger("pgbelay.kills", FULL ? 200 : 5);
  private static final int STOPS = Integer.getInteger("pgbelay.stops", FULL ? 50 : 3);

  /** The transaction of a worker that is in the middle of a chunk, by its statement. */
  private static final String IN_A_CHUNK =
      """
      select max(regexp_replace(query, '\\s+', ' ', 'g')) from pg_stat_activity
       where application_name = ? and xact_start is not null
         and state = any (string_to_array(?, ',')) and backend_xid is not null
      """;

  /** What is kept, and what is done to the children: where half of the kills are meant to be. */
  private static final Pattern CHANGING = Pattern.compile("WITH kept|delete from|update ");

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withoutLeakChecks();

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final Map<String, Integer> metIn = new TreeMap<>();

  @AfterEach
  void uncapture() {
    new PropagationStorm(shop, "").uncapture();
    metIn.forEach((sql, times) -> System.out.printf("%4d  %s%n", times, sql));
  }

  private static long seed() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("-Dpgbelay.seed=" + seed);
    return seed;
  }

  private PropagationProcess start(String name, Duration chunkTimeout) throws Exception {
    return PropagationProcess.start(postgres.jdbcUrl() + "&ApplicationName=" + name, chunkTimeout);
  }

  private void deleteHalf(Random random) {
    for (int k = 0; k < PropagationStorm.CUSTOMERS / 2; k++) {
      shop.dsl.execute(
          "delete from customers where id = ?", 1 + random.nextInt(PropagationStorm.CUSTOMERS));
    }
  }

  /** Empty while it is between two chunks. */
  private String statementOf(String name) {
    return statementOf(name, "active,idle in transaction");
  }

  private String statementOf(String name, String states) {
    Object sql = shop.dsl.fetchValue(IN_A_CHUNK, name, states);
    return sql == null ? "" : sql.toString();
  }

  private void awaitAChunkOf(String name) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(2))
        .pollInterval(Duration.ofMillis(1))
        .until(() -> !statementOf(name).isEmpty());
  }

  private void metIn(String statement) {
    metIn.merge(statement.substring(0, Math.min(60, statement.length())), 1, Integer::sum);
  }

  private void drain(PropagationStorm storm, Duration chunkTimeout) {
    Propagation worker =
        PropagationStorm.worker(shop.transactions).chunkTimeout(chunkTimeout).build();
    Awaitility.await()
        .atMost(Duration.ofMinutes(2))
        .until(
            () -> {
              Drain.within(100_000, worker);
              storm.hurry();
              return storm.queued() == 0;
            });
  }

  @Test
  void processKilledInTheMiddleOfChunks_leavesEveryChildToBeTreatedOnce() throws Exception {
    long seed = seed();
    Random random = new Random(seed);
    Duration chunkTimeout = Duration.ofSeconds(30);
    int inAChunk = 0;
    int kills = 0;
    while (kills < KILLS) {
      PropagationStorm storm = new PropagationStorm(shop, "seed " + seed);
      storm.begin(20);
      deleteHalf(random);
      for (int k = 0; k < 5 && kills < KILLS && storm.queued() > 0; k++) {
        String name = "worker-" + kills;
        try (PropagationProcess worker = start(name, chunkTimeout)) {
          awaitAChunkOf(name);
          // Wherever that is: nothing depends on it but how many moments are seen.
          TimeUnit.MICROSECONDS.sleep(random.nextInt(300_000));
          if (kills % 2 == 0) {
            Awaitility.await()
                .atMost(Duration.ofMinutes(2))
                .pollInterval(Duration.ofMillis(1))
                .until(() -> CHANGING.matcher(statementOf(name)).lookingAt());
          }
          String statement = statementOf(name);
          worker.kill();
          kills++;
          if (!statement.isEmpty()) {
            inAChunk++;
            metIn(statement);
          }
        }
      }
      drain(storm, chunkTimeout);
      storm.assertWhole();
    }
    System.out.printf("%d kills, %d of them in a transaction%n", kills, inAChunk);
  }

  @Test
  void processStoppedPastEveryLimit_losesItsChunk_andGoesOnWithoutHarm() throws Exception {
    long seed = seed();
    Random random = new Random(seed);
    Duration chunkTimeout = Duration.ofSeconds(1);
    for (int k = 0; k < STOPS; k++) {
      PropagationStorm storm = new PropagationStorm(shop, "seed " + seed);
      storm.begin(4);
      deleteHalf(random);
      String name = "stopped-" + k;
      try (PropagationProcess worker = start(name, chunkTimeout)) {
        String statement = "";
        while (statement.isEmpty()) {
          awaitAChunkOf(name);
          TimeUnit.MICROSECONDS.sleep(random.nextInt(300_000));
          worker.stop();
          // What the server is still at ends without him.
          Awaitility.await()
              .atMost(Duration.ofMinutes(2))
              .until(() -> statementOf(name, "active").isEmpty());
          statement = statementOf(name, "idle in transaction");
          if (statement.isEmpty()) {
            worker.goOn();
          }
        }
        metIn(statement);
        drain(storm, chunkTimeout);
        int kept = shop.count("select count(*) from pgbelay.reconcile_undo");
        worker.goOn();
        assertThat(worker.finish()).as("it went on: seed %d", seed).isZero();
        assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isEqualTo(kept);
      }
      storm.assertWhole();
    }
    System.out.println(STOPS + " stops");
  }
}
