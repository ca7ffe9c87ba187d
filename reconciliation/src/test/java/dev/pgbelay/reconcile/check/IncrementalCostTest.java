package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.FULL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.INCREMENTAL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** What an incremental run reads, in buffers of the tables, against a full one. */
class IncrementalCostTest {
  private static final int ROWS =
      "full".equals(System.getProperty("pgbelay.scale")) ? 1_000_000 : 100_000;
  private static final int WRONG = ROWS / 10_000;

  private static final Reference REFERENCE =
      ShopFixture.orderCustomer()
          .onDelete(OnDelete.cascade())
          .changedAt(field(name("orders", "changed_at")))
          .build();

  private static final DerivedValue TOTAL =
      DerivedValue.builder("order-total")
          .column(ShopFixture.ORDERS, ShopFixture.TOTAL)
          .mustEqual(ShopFixture.ORDER_TOTAL.expected(), ShopFixture.LINES)
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
                            + " alter table customers set (autovacuum_enabled = false);"
                            + " alter table lines set (autovacuum_enabled = false)");
              });

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  /** A session tells what it read when it ends, at the latest. */
  private static PGSimpleDataSource measured() {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl() + "&ApplicationName=measured");
    return database;
  }

  private record Cost(DeclarationReport report, long buffers) {}

  private Cost check(Declaration declaration) {
    long before = buffers();
    DeclarationReport report =
        Checker.builder(Transactions.of(measured()), Declarations.of("1", declaration))
            .incremental(Duration.ofDays(1))
            .overlap(Duration.ZERO)
            .throttle(List.of())
            .build()
            .run(declaration.name());
    return new Cost(report, buffers() - before);
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
                    + " from pg_statio_user_tables where schemaname = 'public'")));
  }

  private static void assertCost(String what, Cost full, Cost incremental, long rows, long most) {
    double share = 100.0 * incremental.buffers() / full.buffers();
    System.out.printf(
        "%s, %d rows: %d buffers; %d rows: %d buffers, %.2f %%%n",
        what,
        full.report().rowsChecked(),
        full.buffers(),
        incremental.report().rowsChecked(),
        incremental.buffers(),
        share);
    assertThat(full.report().mode()).isEqualTo(FULL);
    assertThat(full.report().rowsChecked()).isEqualTo(ROWS);
    assertThat(incremental.report().mode()).as("%s", incremental.report()).isEqualTo(INCREMENTAL);
    assertThat(incremental.report().rowsChecked()).isEqualTo(rows);
    assertThat(incremental.report().confirmed()).isEqualTo(WRONG);
    assertThat(incremental.buffers()).isLessThanOrEqualTo(most);
  }

  /**
   * What is read follows what has changed, however large the table: along each row's index entry to
   * it, its parent, or its lines. A full run of a reference reads two indexes page by page,
   * hundreds of rows a buffer: against that a thousandth of the rows is no thousandth of the
   * buffers.
   */
  @Test
  void oneRowInAThousand_costsTwelveBuffersARow_howeverLargeTheTable() {
    DSLContext writer = DSL.using(measured(), SQLDialect.POSTGRES);
    writer.execute("insert into customers select g, 'c' || g from generate_series(1, ?) g", ROWS);
    writer.execute(
        "insert into orders select g, 1 + (g::bigint * 7919) % ?, 'paid', 10 from generate_series(1, ?) g",
        ROWS, ROWS);
    writer.execute("insert into lines select g, g, 10 from generate_series(1, ?) g", ROWS);
    DeleteCapture.of(shop.transactions, Declarations.of("1", REFERENCE)).install();
    for (String table : new String[] {"orders", "customers", "lines"}) {
      writer.execute("vacuum analyze " + table);
    }
    Cost fullReference = check(REFERENCE);
    Cost fullTotal = check(TOTAL);
    writer.execute(
        "update orders set total = total + case when id % 10000 = 500 then 1 else 0 end, changed_at = now()"
            + " where id % 1000 = 500");
    assertCost("derived value", fullTotal, check(TOTAL), ROWS / 1000L, ROWS / 1000L * 12);
    writer.execute("delete from customers where id <= ?", WRONG);
    Cost reference = check(REFERENCE);
    long looked = ROWS / 1000L + WRONG;
    assertCost("reference", fullReference, reference, looked, looked * 12);
  }
}
