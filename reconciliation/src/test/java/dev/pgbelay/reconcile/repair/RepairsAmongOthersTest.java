package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.propagate.PropagationPlan;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Repairs, propagation and undo on tables that have keys, triggers and writers of their own. */
class RepairsAmongOthersTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final RepairedShop repaired = new RepairedShop(shop);

  @AfterEach
  void clean() {
    repaired.uncapture();
    shop.dsl.execute("drop table if exists notes");
  }

  @Test
  void childThatRefersElsewhereSinceItWasConfirmed_isNotRepairedForIt() {
    repaired.declarations = RepairedShop.orders(OnDelete.cascade(), Duration.ofHours(1));
    shop.customers(3);
    shop.dsl.execute("delete from customers where id = 3");
    repaired.check();
    shop.dsl.execute(
        "update pgbelay.reconcile_finding set evidence_since = now() - interval '2 h'");
    repaired.check();
    assertThat(
            shop.count("select count(*) from pgbelay.reconcile_finding where state = 'CONFIRMED'"))
        .isEqualTo(1);
    // The application mends it: its parent is written by a later transaction, within the grace.
    shop.dsl.execute("update orders set customer_id = 4 where id = 3");
    RepairReport report = repaired.repair(RepairPolicy.quarantine());
    assertThat(report.declarations().get(0).repaired()).isZero();
    assertThat(report.declarations().get(0).gone()).isEqualTo(1);
    assertThat(shop.count("select count(*) from orders where id = 3")).isEqualTo(1);
    shop.dsl.execute("insert into customers values (4, 'later')");
    assertThat(repaired.check().isClean()).isTrue();
  }

  @Test
  void rowThatCannotBePutBack_isNamed_andTheOthersAre() {
    shop.customers(3);
    shop.dsl.execute("create table notes (id bigint primary key)");
    shop.dsl.execute("insert into notes values (1), (2), (3)");
    shop.dsl.execute("alter table orders add column note_id bigint references notes");
    try {
      shop.dsl.execute("update orders set note_id = id");
      shop.dsl.execute("delete from customers where id in (2, 3)");
      repaired.check();
      RepairReport report = repaired.repair(RepairPolicy.quarantine());
      shop.dsl.execute("delete from notes where id = 3");
      UndoLog.Undone undone = repaired.undo(report.batch());
      assertThat(undone.restored()).isEqualTo(1);
      assertThat(undone.conflicts())
          .singleElement()
          .satisfies(text -> assertThat(text).contains("orders_note_id_fkey"));
      assertThat(shop.count("select count(*) from orders where id = 2")).isEqualTo(1);
    } finally {
      shop.dsl.execute("alter table orders drop column note_id");
    }
  }

  @Test
  void createdParentThatIsTakenBack_doesNotTakeItsChildren() {
    shop.customers(3);
    DeleteCapture.of(shop.transactions, repaired.declarations).install();
    shop.dsl.execute("insert into orders values (9, 99, 'open', 0)");
    repaired.check();
    String before = repaired.contents();
    RepairReport report =
        repaired.repair(RepairPolicy.createParent(Map.of(field(name("name")), "nobody")));
    assertThat(repaired.undo(report.batch()).restored()).isEqualTo(1);
    repaired.drain();
    assertThat(repaired.contents()).isEqualTo(before);
  }

  @Test
  void tablesNamedWithAndWithoutTheirSchema_areTheSameToALimit() {
    shop.customers(2);
    repaired.declarations =
        Declarations.of(
            "1",
            repaired.declarations.references().get(0),
            Reference.builder("line-order")
                .child(table(name("lines")), field(name("order_id")))
                .parent(table(name("public", "orders")), field(name("id")))
                .onDelete(OnDelete.cascade())
                .build());
    PropagationPlan plan =
        Propagation.builder(shop.transactions, repaired.declarations)
            .build()
            .plan("order-customer", 2L);
    assertThat(plan.rows()).containsEntry("line-order", 2L);
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("delete from customers where id = 2");
          DeleteCapture.of(shop.transactions, repaired.declarations)
              .capture(tx, "order-customer", java.util.List.of(java.util.List.of(2L)));
        });
    repaired.drain();
    assertThat(shop.count("select count(*) from lines where order_id = 2")).isZero();
  }

  @Test
  void bitKeys_areNotShortened() {
    shop.dsl.execute("create table flag (k bit(4) primary key)");
    shop.dsl.execute("create table flagged (id bigint primary key, k bit(4))");
    shop.dsl.execute("create index on flagged (k)");
    try {
      shop.dsl.execute("insert into flag values ('1000'), ('1100')");
      shop.dsl.execute("insert into flagged values (1, '1000'), (2, '1100')");
      repaired.declarations =
          Declarations.of(
              "1",
              Reference.builder("flagged-flag")
                  .child(table(name("flagged")), field(name("k")))
                  .parent(table(name("flag")), field(name("k")))
                  .onDelete(OnDelete.cascade())
                  .build());
      DeleteCapture.of(shop.transactions, repaired.declarations).install();
      shop.dsl.execute("delete from flag where k = '1100'");
      repaired.drain();
      assertThat(shop.count("select count(*) from flagged where id = 2")).isZero();
      assertThat(shop.count("select count(*) from flagged where id = 1")).isEqualTo(1);
    } finally {
      shop.dsl.execute("drop table flag, flagged cascade");
    }
  }

  @Test
  void columnCalledLikeAVariableOfTheTrigger_isAColumn() {
    shop.customers(2);
    shop.dsl.execute("alter table customers add column found boolean not null default true");
    try {
      repaired.declarations =
          Declarations.of(
              "1",
              ShopFixture.orderCustomer()
                  .parentWhere(org.jooq.impl.DSL.condition("found"))
                  .onDelete(OnDelete.cascade())
                  .build());
      DeleteCapture.of(shop.transactions, repaired.declarations).install();
      shop.dsl.execute("update customers set found = false where id = 2");
      repaired.drain();
      assertThat(shop.count("select count(*) from orders where id = 2")).isZero();
    } finally {
      repaired.uncapture();
      shop.dsl.execute("alter table customers drop column found");
    }
  }
}
