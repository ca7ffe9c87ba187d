package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.UndoLog;
import java.time.Duration;
import java.util.UUID;
import org.jooq.Result;

/** Customers with orders and lines, half of which go, and what must hold when all is done. */
final class PropagationStorm {
  static final int CUSTOMERS = 60;

  static final Declarations DECLARATIONS =
      Declarations.of(
          "1",
          ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build(),
          ShopFixture.lineOrder().onDelete(OnDelete.setNull()).build());

  private final ShopFixture shop;
  private final String name;
  private String before = "";

  /**
   * @param name of the run, for messages: its seed
   */
  PropagationStorm(ShopFixture shop, String name) {
    this.shop = shop;
    this.name = name;
  }

  /** The same, by other connections. */
  PropagationStorm over(ShopFixture other) {
    PropagationStorm storm = new PropagationStorm(other, name);
    storm.before = before;
    return storm;
  }

  static Propagation.Builder worker(Transactions transactions) {
    return Propagation.builder(transactions, DECLARATIONS)
        .chunk(3)
        .confirmAbove(1_000_000)
        .dutyPercent(100)
        .lockTimeout(Duration.ofMillis(100));
  }

  /**
   * @param ordersOfEach customer, besides one with two lines
   */
  void begin(int ordersOfEach) {
    shop.dsl.execute("truncate customers, orders, lines, pgbelay.reconcile_undo");
    shop.customers(CUSTOMERS);
    shop.dsl.execute(
        "insert into orders select 1000 + g, 1 + g % ? from generate_series(1, ?) g",
        CUSTOMERS, CUSTOMERS * ordersOfEach);
    before = rows();
    DeleteCapture.of(shop.transactions, DECLARATIONS).install();
  }

  void uncapture() {
    DeleteCapture.of(shop.transactions, DECLARATIONS).uninstall();
  }

  int queued() {
    return shop.count("select count(*) from pgbelay.reconcile_deleted");
  }

  /** What failed is due at once. */
  void hurry() {
    shop.dsl.execute(
        "update pgbelay.reconcile_deleted set due_at = clock_timestamp() where attempts > 0");
  }

  private String rows() {
    return shop.dsl.fetch("select * from orders order by id").format(100_000)
        + shop.dsl.fetch("select * from lines order by id").format(100_000);
  }

  /** Every child was treated once, none is left, and all can be put back to the byte. */
  void assertWhole() {
    assertThat(queued()).as("%s: %s", name, queue()).isZero();
    assertThat(
            shop.count(
                "select count(*) from orders o where customer_id is not null"
                    + " and not exists (select from customers c where c.id = o.customer_id)"))
        .as("orphans, %s", name)
        .isZero();
    assertThat(
            shop.count(
                "select count(*) from lines l where order_id is not null"
                    + " and not exists (select from orders o where o.id = l.order_id)"))
        .as("orphans among the lines, %s", name)
        .isZero();
    assertThat(
            shop.count(
                "select count(*) from (select from pgbelay.reconcile_undo"
                    + " group by table_name, row_key having count(*) > 1) t"))
        .as("kept twice, %s", name)
        .isZero();
    uncapture();
    Result<?> batches =
        shop.dsl.fetch(
            "select batch from pgbelay.reconcile_undo group by batch order by max(id) desc");
    for (UUID batch : batches.getValues(0, UUID.class)) {
      assertThat(UndoLog.of(shop.transactions).undo(batch).conflicts()).isEmpty();
    }
    assertThat(rows()).as("undone, %s", name).isEqualTo(before);
  }

  private String queue() {
    return shop.dsl.fetch("select * from pgbelay.reconcile_deleted").format();
  }
}
