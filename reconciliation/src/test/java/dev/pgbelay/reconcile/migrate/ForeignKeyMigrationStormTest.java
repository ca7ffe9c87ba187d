package dev.pgbelay.reconcile.migrate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.guard.MissingParentsException;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.jooq.exception.IntegrityConstraintViolationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Writers go on while the key goes and comes back; no child is left without its parent. */
class ForeignKeyMigrationStormTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final int CUSTOMERS = 40;
  private static final int WRITERS = 3;

  private final DataSource dataSource = postgres.dataSource();
  private final ShopFixture shop = new ShopFixture(dataSource);
  private final AtomicLong ids = new AtomicLong(1_000);
  private final AtomicLong newest = new AtomicLong(CUSTOMERS);

  @Test
  void underWriters_noChildIsLeftWithoutItsParent() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("-Dpgbelay.seed=" + seed);
    shop.customers(CUSTOMERS);
    shop.dsl.execute(
        "alter table orders add constraint orders_customer_id_fkey foreign key (customer_id)"
            + " references customers on delete cascade");
    ParentGuard guard = ParentGuard.locked(ForeignKeyMigrationPostgresTest.REFERENCE);
    Propagation propagation =
        Propagation.builder(shop.transactions, ForeignKeyMigrationPostgresTest.RULES).build();
    AtomicBoolean over = new AtomicBoolean();
    ExecutorService threads = Executors.newFixedThreadPool(WRITERS + 2);
    List<Future<?>> running = new ArrayList<>();
    try {
      for (int writer = 0; writer < WRITERS; writer++) {
        Random random = new Random(seed + writer);
        running.add(threads.submit(() -> insert(guard, random, over)));
      }
      running.add(threads.submit(() -> replaceCustomers(new Random(seed - 1), over)));
      running.add(
          threads.submit(
              () -> {
                while (!over.get()) {
                  if (propagation.runOnce().work() == 0) {
                    TimeUnit.MILLISECONDS.sleep(2);
                  }
                }
                return null;
              }));
      for (int round = 0; round < 2; round++) {
        migration().build().toApplication();
        awaitInserts(running);
        backToTheKey();
        assertThat(keys()).isEqualTo(1);
        assertThat(orphans()).isZero();
      }
      // Once more, and this time the triggers alone have to keep it.
      migration().build().toApplication();
      awaitInserts(running);
    } finally {
      over.set(true);
      for (Future<?> each : running) {
        each.get();
      }
      threads.shutdownNow();
    }
    assertThat(keys()).isZero();
    while (propagation.runOnce().work() > 0) {
      // what the last deletes left
    }
    assertThat(orphans()).isZero();
  }

  /** Propagation may hold a row that a repair wants: then it is run again, as it says. */
  private void backToTheKey() {
    for (int tries = 1; ; tries++) {
      try {
        migration()
            .repairs(
                Repairs.builder(shop.transactions, ForeignKeyMigrationPostgresTest.RULES)
                    .policy("order-customer", RepairPolicy.delete())
                    .ceiling(10_000)
                    .build())
            .build()
            .toForeignKey();
        return;
      } catch (PgBelayException e) {
        if (tries == 20) {
          throw e;
        }
      }
    }
  }

  private int keys() {
    return shop.count(
        "select count(*) from pg_constraint where contype = 'f' and convalidated"
            + " and conrelid = 'orders'::regclass");
  }

  private int orphans() {
    return shop.count(
        "select count(*) from orders o where customer_id is not null and not exists"
            + " (select from customers c where c.id = o.customer_id)");
  }

  /** The key is not there: for as long as some orders are written. */
  private void awaitInserts(List<Future<?>> running) throws InterruptedException {
    long until = ids.get() + 50;
    while (ids.get() < until && running.stream().noneMatch(Future::isDone)) {
      TimeUnit.MILLISECONDS.sleep(2);
    }
  }

  private ForeignKeyMigration.Builder migration() {
    return ForeignKeyMigration.builder(
            dataSource, shop.transactions, ForeignKeyMigrationPostgresTest.RULES, "order-customer")
        .guardsEnforced(ForeignKeyMigrationPostgresTest.MEASURED);
  }

  private Void insert(ParentGuard guard, Random random, AtomicBoolean over) {
    while (!over.get()) {
      long customer = newest.get() - random.nextInt(CUSTOMERS);
      try {
        shop.transactions.execute(
            tx -> {
              guard.check(tx, customer);
              tx.dsl()
                  .execute(
                      "insert into orders values (?, ?, 'open', 0)",
                      ids.incrementAndGet(),
                      customer);
            });
      } catch (MissingParentsException | IntegrityConstraintViolationException e) {
        // Was deleted a moment ago, and the guard or the key says so.
      }
    }
    return null;
  }

  /** One goes, and another comes. */
  private Void replaceCustomers(Random random, AtomicBoolean over) {
    while (!over.get()) {
      long customer = newest.get() - random.nextInt(CUSTOMERS);
      shop.transactions.execute(
          tx -> tx.dsl().execute("delete from customers where id = ?", customer));
      shop.transactions.execute(
          tx -> tx.dsl().execute("insert into customers values (?, 'new')", newest.get() + 1));
      newest.incrementAndGet();
    }
    return null;
  }
}
