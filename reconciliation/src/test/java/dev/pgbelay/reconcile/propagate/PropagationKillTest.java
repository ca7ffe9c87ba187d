package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.Result;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two workers that die between any two statements, while parents go and children are changed. */
class PropagationKillTest {
  private static final int KILLS = "full".equals(System.getProperty("pgbelay.scale")) ? 200 : 16;
  private static final int CUSTOMERS = 60;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withoutLeakChecks();

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final Declarations declarations =
      Declarations.of(
          "1",
          Reference.builder("order-customer")
              .child(ShopFixture.ORDERS, ShopFixture.ORDER_CUSTOMER)
              .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
              .onDelete(OnDelete.cascade())
              .build(),
          Reference.builder("line-order")
              .child(ShopFixture.LINES, ShopFixture.LINE_ORDER)
              .parent(ShopFixture.ORDERS, ShopFixture.ORDER_ID)
              .onDelete(OnDelete.setNull())
              .build());
  private final AtomicInteger kills = new AtomicInteger();

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
  }

  private Propagation worker(Transactions transactions) {
    return Propagation.builder(transactions, declarations)
        .chunk(3)
        .confirmAbove(1_000_000)
        .lockTimeout(Duration.ofMillis(100))
        .build();
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
    shop.dsl.execute("truncate customers, orders, lines, pgbelay.reconcile_undo");
    shop.customers(CUSTOMERS);
    shop.dsl.execute(
        "insert into orders select 1000 + g, 1 + g % ? from generate_series(1, ?) g",
        CUSTOMERS, CUSTOMERS * 3);
    String before = rows();
    DeleteCapture.of(shop.transactions, declarations).install();
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
      for (int k = 0; k < CUSTOMERS / 2; k++) {
        shop.dsl.execute("delete from customers where id = ?", 1 + random.nextInt(CUSTOMERS));
      }
      for (int wait = 0; wait < 3_600 && queued() > 0; wait++) {
        TimeUnit.MILLISECONDS.sleep(50);
        shop.dsl.execute(
            "update pgbelay.reconcile_deleted set due_at = clock_timestamp() where attempts > 0");
      }
      done.set(true);
      for (Future<?> each : running) {
        each.get(2, TimeUnit.MINUTES);
      }
    } finally {
      done.set(true);
      threads.shutdownNow();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
    assertWhole(before, seed);
  }

  private int queued() {
    return shop.count("select count(*) from pgbelay.reconcile_deleted");
  }

  private String rows() {
    return shop.dsl.fetch("select * from orders order by id").format(10_000)
        + shop.dsl.fetch("select * from lines order by id").format(10_000);
  }

  /** Dies again and again, and is started again. */
  private void work(Random random, AtomicBoolean done) {
    KillableDataSource killable = new KillableDataSource(postgres.dataSource());
    while (!done.get()) {
      Propagation worker =
          worker(Transactions.builder(killable).retry(TxOptions.Retry.none()).build());
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
                    1 + random.nextInt(CUSTOMERS));
            tx.dsl().execute("select pg_sleep(0.02)");
          });
    }
  }

  private void assertWhole(String before, long seed) {
    assertThat(queued()).as("seed %d: %s", seed, queue()).isZero();
    assertThat(
            shop.count(
                "select count(*) from orders o where customer_id is not null"
                    + " and not exists (select from customers c where c.id = o.customer_id)"))
        .as("orphans, seed %d", seed)
        .isZero();
    assertThat(
            shop.count(
                "select count(*) from lines l where order_id is not null"
                    + " and not exists (select from orders o where o.id = l.order_id)"))
        .as("orphans among the lines, seed %d", seed)
        .isZero();
    assertThat(
            shop.count(
                "select count(*) from (select from pgbelay.reconcile_undo"
                    + " group by table_name, row_key having count(*) > 1) t"))
        .as("kept twice, seed %d", seed)
        .isZero();
    DeleteCapture.of(shop.transactions, declarations).uninstall();
    Result<?> batches =
        shop.dsl.fetch(
            "select batch from pgbelay.reconcile_undo group by batch order by max(id) desc");
    for (UUID batch : batches.getValues(0, UUID.class)) {
      assertThat(UndoLog.of(shop.transactions).undo(batch).conflicts()).isEmpty();
    }
    assertThat(rows()).as("undone, seed %d", seed).isEqualTo(before);
  }

  private String queue() {
    return shop.dsl.fetch("select * from pgbelay.reconcile_deleted").format();
  }
}
