package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two workers that die between any two statements, while parents go and children are changed. */
class PropagationKillTest {
  private static final int KILLS =
      Integer.getInteger(
          "pgbelay.kills", "full".equals(System.getProperty("pgbelay.scale")) ? 200 : 16);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withoutLeakChecks();

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final AtomicInteger kills = new AtomicInteger();

  @AfterEach
  void uncapture() {
    new PropagationStorm(shop, "").uncapture();
  }

  @Test
  void workersKilledBetweenAnyTwoStatements_treatEveryChildOnce_andLoseNone() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("-Dpgbelay.seed=" + seed);
    while (kills.get() < KILLS) {
      round(new Random(seed + kills.get()), seed);
    }
    System.out.println(kills.get() + " kills");
  }

  private void round(Random random, long seed) throws Exception {
    PropagationStorm storm = new PropagationStorm(shop, "seed " + seed);
    storm.begin(3);
    AtomicBoolean done = new AtomicBoolean();
    ExecutorService threads = Executors.newFixedThreadPool(3);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int k = 0; k < 2; k++) {
        Random own = new Random(random.nextLong());
        running.add(threads.submit(() -> work(own, done)));
      }
      Random own = new Random(random.nextLong());
      running.add(threads.submit(() -> writers(own, done)));
      for (int k = 0; k < PropagationStorm.CUSTOMERS / 2; k++) {
        shop.dsl.execute(
            "delete from customers where id = ?", 1 + random.nextInt(PropagationStorm.CUSTOMERS));
      }
      Awaitility.await()
          .atMost(Duration.ofMinutes(3))
          .pollInterval(Duration.ofMillis(50))
          .until(
              () -> {
                storm.hurry();
                return storm.queued() == 0;
              });
      done.set(true);
      for (Future<?> each : running) {
        each.get(2, TimeUnit.MINUTES);
      }
    } finally {
      done.set(true);
      threads.shutdownNow();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
    storm.assertWhole();
  }

  /** Dies again and again, and is started again. */
  private void work(Random random, AtomicBoolean done) {
    KillableDataSource killable = new KillableDataSource(postgres.dataSource());
    while (!done.get()) {
      Propagation worker =
          PropagationStorm.worker(
                  Transactions.builder(killable).retry(TxOptions.Retry.none()).build())
              .build();
      killable.killBefore(1 + random.nextInt(60));
      try {
        while (!done.get()) {
          if (worker.runOnce().work() == 0) {
            TimeUnit.MILLISECONDS.sleep(5);
          }
        }
      } catch (KillableDataSource.Killed e) {
        kills.incrementAndGet();
      } catch (InterruptedException e) {
        return;
      }
    }
    killable.killedBefore().forEach((sql, times) -> System.out.printf("%4d  %s%n", times, sql));
  }

  /** Holds some children, so that they are met locked; changes nothing. */
  private void writers(Random random, AtomicBoolean done) {
    while (!done.get()) {
      shop.transactions.execute(
          tx -> {
            tx.dsl()
                .fetch(
                    "select from orders where customer_id = ? order by id desc for update",
                    1 + random.nextInt(PropagationStorm.CUSTOMERS));
            tx.dsl().execute("select pg_sleep(0.02)");
          });
    }
  }
}
