package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Deletes of parents reach the children, and only those. */
class PropagationPostgresTest {
  private static final Reference LINE_ORDER =
      ShopFixture.lineOrder().onDelete(OnDelete.cascade()).build();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private Declarations declarations = orders(OnDelete.cascade());

  private static Declarations orders(OnDelete rule) {
    return Declarations.of("1", ShopFixture.orderCustomer().onDelete(rule).build(), LINE_ORDER);
  }

  private void capture(Declarations all) {
    declarations = all;
    DeleteCapture.of(shop.transactions, all).install();
  }

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
  }

  private Propagation worker(int chunk, int confirmAbove) {
    return Propagation.builder(shop.transactions, declarations)
        .chunk(chunk)
        .confirmAbove(confirmAbove)
        .build();
  }

  private int queued() {
    return shop.count("select count(*) from pgbelay.reconcile_deleted");
  }

  @Test
  void deletedParent_takesChildrenAndTheirs_inChunks_andLeavesTheOthers() {
    shop.customers(10);
    shop.dsl.execute("insert into orders select g, 3 from generate_series(100, 120) g");
    capture(orders(OnDelete.cascade()));
    capture(declarations);
    shop.dsl.execute("delete from customers where id = 3");
    Drain.within(100, worker(5, 1_000));
    assertThat(shop.count("select count(*) from orders")).isEqualTo(9);
    assertThat(shop.count("select count(*) from lines")).isEqualTo(18);
    assertThat(queued()).isZero();
  }

  @Test
  void rolledBackDelete_isNotCaptured_norAreUpdatesOfOtherColumns() {
    shop.customers(3);
    capture(orders(OnDelete.cascade()));
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> {
                      tx.dsl().execute("delete from customers");
                      throw new IllegalStateException("no");
                    }))
        .hasMessage("no");
    shop.dsl.execute("update customers set name = 'x'");
    assertThat(queued()).isZero();
  }

  @Test
  void changedKeyAndTruncate_areCapturedAsDeletes() {
    shop.customers(4);
    capture(orders(OnDelete.setNull()));
    shop.dsl.execute("update customers set id = 44 where id = 4");
    Drain.within(100, worker(100, 100));
    assertThat(shop.count("select count(*) from orders where customer_id is null")).isEqualTo(1);
    shop.dsl.execute("truncate customers");
    shop.dsl.execute("insert into customers values (2, 'again')");
    Drain.within(100, worker(2, 100));
    assertThat(shop.count("select count(*) from orders where customer_id is null")).isEqualTo(3);
    assertThat(shop.count("select customer_id from orders where customer_id is not null"))
        .isEqualTo(2);
  }

  @Test
  void parentInsertedAgainBeforeTheCleanUp_keepsItsChildren() {
    shop.customers(4);
    capture(orders(OnDelete.cascade()));
    shop.dsl.execute("delete from customers where id in (1, 2)");
    shop.dsl.execute("insert into customers values (2, 'again')");
    Drain.within(100, worker(100, 100));
    assertThat(shop.count("select count(*) from orders")).isEqualTo(3);
    assertThat(shop.count("select count(*) from orders where id = 2")).isEqualTo(1);
  }

  @Test
  void deletesInPartitions_areCaptured_alsoInThoseAttachedLater() {
    shop.dsl.execute("drop table if exists acct, entry");
    shop.dsl.execute(
        "create table acct (tenant int, code text, primary key (tenant, code))"
            + " partition by list (tenant)");
    shop.dsl.execute("create table acct_1 partition of acct for values in (1)");
    shop.dsl.execute("create table entry (id int primary key, t int, c text)");
    shop.dsl.execute("create index on entry (t, c)");
    capture(
        Declarations.of(
            "1",
            Reference.builder("entry-acct")
                .child(table(name("entry")), field(name("t")), field(name("c")))
                .parent(table(name("acct")), field(name("tenant")), field(name("code")))
                .onDelete(OnDelete.cascade())
                .build()));
    shop.dsl.execute("create table acct_2 partition of acct for values in (2)");
    shop.dsl.execute("insert into acct values (1, 'a\"{0}?'), (1, 'b'), (2, 'b'), (2, 'c')");
    shop.dsl.execute(
        "insert into entry values (1, 1, 'a\"{0}?'), (2, 1, 'b'), (3, 2, 'b'), (4, 2, 'c'), (5, 2, null)");
    shop.dsl.execute("delete from acct_1 where code like 'a%'");
    shop.dsl.execute("delete from acct_2 where code = 'c'");
    Drain.within(100, worker(1, 100));
    assertThat(shop.dsl.fetch("select id from entry order by id").getValues(0, Integer.class))
        .containsExactly(2, 3, 5);
    shop.dsl.execute("truncate acct_1");
    Drain.within(100, worker(1, 100));
    assertThat(shop.dsl.fetch("select id from entry order by id").getValues(0, Integer.class))
        .containsExactly(3, 5);
  }

  @Test
  void restrictedDelete_isRefused_andTheLockedGuardClosesTheRace() throws Exception {
    shop.customers(3);
    shop.dsl.execute("insert into customers values (9, 'childless')");
    capture(orders(OnDelete.restrict()));
    assertThatThrownBy(() -> shop.dsl.execute("delete from customers where id = 3"))
        .hasMessageContaining("order-customer")
        .hasMessageContaining("still refer to it");
    assertThatThrownBy(() -> shop.dsl.execute("truncate customers"))
        .hasMessageContaining("order-customer");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session child = script.session("child");
      Interleaving.Session parent = script.session("parent");
      child.run(
          c -> {
            ParentGuard.locked(declarations.references().get(0))
                .check(dev.pgbelay.core.Tx.join(c), 9L);
            try (java.sql.Statement statement = c.createStatement()) {
              statement.execute("insert into orders values (900, 9)");
            }
          });
      Interleaving.Step<Boolean> step =
          parent.start(
              "delete",
              c -> {
                try (java.sql.Statement statement = c.createStatement()) {
                  return statement.execute("delete from customers where id = 9");
                }
              });
      step.awaitBlockedBy(child);
      child.commit();
      assertThat(step.failure()).hasMessageContaining("still refer to it");
      parent.rollback();
    }
    shop.dsl.execute("delete from orders where customer_id = 9");
    assertThat(shop.dsl.execute("delete from customers where id = 9")).isEqualTo(1);
  }

  @Test
  void largeDelete_isHeldWithItsCounts_untilConfirmed_andUndone() {
    shop.customers(20);
    shop.dsl.execute("update orders set customer_id = 7");
    capture(orders(OnDelete.cascade()));
    Propagation worker = worker(8, 30);
    assertThat(worker.plan("order-customer", 7L).rows())
        .isEqualTo(Map.of("order-customer", 20L, "line-order", 40L));
    String before = shop.dsl.fetch("select * from orders order by id").format();
    shop.dsl.execute("delete from customers where id = 7");
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(20);
    PropagationPlan held = worker.open(10).get(0);
    assertThat(held.total()).isEqualTo(60);
    assertThat(held.heldBecause().orElseThrow()).contains("30 rows");
    worker.confirm(held.id());
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from orders")).isZero();
    assertThat(shop.count("select count(*) from lines")).isZero();
    UndoLog.Undone undone = UndoLog.of(shop.transactions).undo(held.batch().orElseThrow());
    assertThat(undone.restored()).isEqualTo(20);
    assertThat(shop.dsl.fetch("select * from orders order by id").format()).isEqualTo(before);
  }

  @Test
  void otherRules_changeTheChildrenOnce_andAreUndone() {
    shop.customers(3);
    for (OnDelete rule :
        new OnDelete[] {
          OnDelete.softDelete(Map.of(ShopFixture.STATUS, inline("cancelled"))),
          OnDelete.setDefault(),
          OnDelete.custom(
              (tx, reference, children) ->
                  tx.dsl()
                      .update(reference.child())
                      .set(ShopFixture.TOTAL, ShopFixture.TOTAL.add(1))
                      .where(children)
                      .execute())
        }) {
      String before = shop.dsl.fetch("select * from orders order by id").format();
      capture(orders(rule));
      shop.dsl.execute("delete from customers where id = 2");
      PropagationPlan plan = worker(1, 100).open(10).get(0);
      Drain.within(100, worker(1, 100));
      assertThat(queued()).isZero();
      String expected =
          switch (rule.action()) {
            case SOFT_DELETE -> "status = 'cancelled' and customer_id = 2";
            case SET_DEFAULT -> "customer_id is null";
            default -> "total = 21.00";
          };
      assertThat(shop.count("select count(*) from orders where id = 2 and " + expected))
          .isEqualTo(1);
      assertThat(UndoLog.of(shop.transactions).undo(plan.batch().orElseThrow()).conflicts())
          .isEmpty();
      assertThat(shop.dsl.fetch("select * from orders order by id").format()).isEqualTo(before);
      shop.dsl.execute("insert into customers values (2, 'c2')");
    }
  }

  @Test
  void lockedChild_isSkippedFirst_thenWaitedFor_andTheDeleteIsNotDoneBefore() throws Exception {
    shop.customers(1);
    shop.dsl.execute("insert into orders select g, 1 from generate_series(2, 5) g");
    capture(orders(OnDelete.cascade()));
    shop.dsl.execute("delete from customers where id = 1");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session other = script.session("other");
      other.run(
          c -> {
            try (java.sql.Statement statement = c.createStatement()) {
              statement.execute("select from orders where id = 3 for update");
            }
          });
      Propagation worker =
          Propagation.builder(shop.transactions, declarations)
              .lockTimeout(java.time.Duration.ofMillis(50))
              .build();
      assertThat(worker.runOnce().work()).isEqualTo(4);
      assertThat(shop.count("select count(*) from orders")).isEqualTo(1);
      Drain.within(100, worker);
      assertThat(
              shop.count(
                  "select count(*) from pgbelay.reconcile_deleted"
                      + " where reference = 'order-customer' and attempts > 0"))
          .isEqualTo(1);
      other.rollback();
    }
    shop.dsl.execute("update pgbelay.reconcile_deleted set due_at = clock_timestamp()");
    Drain.within(100, worker(10, 100));
    assertThat(shop.count("select count(*) from orders")).isZero();
    assertThat(queued()).isZero();
  }
}
