package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.FULL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.INCREMENTAL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** What an incremental run reads, in buffers of the tables, against a full one. */
class IncrementalCostTest {
  private static final int ROWS =
      "full".equals(System.getProperty("pgbelay.scale")) ? 1_000_000 : 100_000;
  private static final int DELETED = 10;

  private static final Reference REFERENCE =
      Reference.builder("order-customer")
          .child(ShopFixture.ORDERS, ShopFixture.ORDER_CUSTOMER)
          .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
          .onDelete(OnDelete.cascade())
          .changedAt(field(name("orders", "changed_at")))
          .build();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource -> {
                ShopFixture.SCHEMA.initialize(dataSource);
                DSL.using(dataSource, SQLDialect.POSTGRES)
                    .execute(
                        "alter table orders add changed_at timestamptz not null default now();"
                            + " create index on orders (changed_at, id);"
                            + " alter table orders set (autovacuum_enabled = false);"
                            + " alter table customers set (autovacuum_enabled = false)");
              });

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  /** Sessions of its own tell what they read when they end. */
  private DeclarationReport check() {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl() + "&ApplicationName=measured");
    return Checker.builder(Transactions.of(database), Declarations.of("1", REFERENCE))
        .incremental(Duration.ofDays(1))
        .overlap(Duration.ZERO)
        .throttle(List.of())
        .build()
        .run("order-customer");
  }

  private long buffers() {
    Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () ->
                shop.count(
                        "select count(*) from pg_stat_activity where application_name = 'measured'")
                    == 0);
    return Long.parseLong(
        String.valueOf(
            shop.dsl.fetchValue(
                "select sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)"
                    + " from pg_statio_user_tables where relname in ('orders', 'customers')")));
  }

  @Test
  void oneRowInAThousand_readsTwoPerCentOfAFullRunAtMost() {
    shop.dsl.execute("insert into customers select g, 'c' || g from generate_series(1, ?) g", ROWS);
    shop.dsl.execute(
        "insert into orders select g, 1 + (g * 7919) % ?, 'paid', 0 from generate_series(1, ?) g",
        ROWS, ROWS);
    DeleteCapture.of(shop.transactions, Declarations.of("1", REFERENCE)).install();
    shop.dsl.execute("vacuum analyze orders");
    shop.dsl.execute("vacuum analyze customers");
    long before = buffers();
    DeclarationReport full = check();
    long fullBuffers = buffers() - before;
    assertThat(full.mode()).isEqualTo(FULL);
    shop.dsl.execute(
        "update orders set total = 1, changed_at = now() where id % 1000 = 500 and id > ?",
        1000 * DELETED);
    shop.dsl.execute("delete from customers where id <= ?", DELETED);
    before = buffers();
    DeclarationReport incremental = check();
    long incrementalBuffers = buffers() - before;
    System.out.printf(
        "%d rows: %d buffers; %d changed and %d children of deletes: %d buffers, %.2f %%%n",
        ROWS,
        fullBuffers,
        ROWS / 1000 - DELETED,
        DELETED,
        incrementalBuffers,
        100.0 * incrementalBuffers / fullBuffers);
    assertThat(incremental.mode()).as("%s", incremental).isEqualTo(INCREMENTAL);
    assertThat(incremental.rowsChecked()).isEqualTo(ROWS / 1000);
    assertThat(incremental.confirmed()).isEqualTo(DELETED);
    assertThat(incrementalBuffers).isLessThanOrEqualTo(fullBuffers / 50);
  }
}
