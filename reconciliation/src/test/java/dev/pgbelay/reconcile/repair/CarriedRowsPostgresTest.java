package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What foreign keys delete or change along with a row comes back with it. */
class CarriedRowsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final RepairedShop repaired = new RepairedShop(shop);

  @AfterEach
  void clean() {
    repaired.uncapture();
    shop.dsl.execute("alter table lines drop constraint if exists lines_order_id_fkey cascade");
    shop.dsl.execute("drop table if exists notes");
  }

  @Test
  void rowsThatAForeignKeyTakesWithIt_arePutBackToo() {
    shop.customers(3);
    foreignKeys();
    shop.dsl.execute("delete from customers where id in (2, 3)");
    repaired.check();
    String before = repaired.contents() + notes();
    for (RepairPolicy policy :
        new RepairPolicy[] {RepairPolicy.quarantine(), RepairPolicy.delete()}) {
      RepairReport report = repaired.repair(policy);
      assertThat(report.declarations().get(0).failures()).isEmpty();
      assertThat(shop.count("select count(*) from lines")).isEqualTo(2);
      assertThat(shop.count("select count(*) from notes where order_id is null")).isEqualTo(3);
      assertThat(repaired.undo(report.batch()).conflicts()).isEmpty();
      assertThat(repaired.contents() + notes()).isEqualTo(before);
    }
  }

  private void foreignKeys() {
    shop.dsl.execute(
        "alter table lines add constraint lines_order_id_fkey foreign key (order_id) references orders on delete cascade");
    shop.dsl.execute(
        "create table notes (id bigint primary key, order_id bigint references orders on delete set null,"
            + " line_id bigint references lines on delete cascade)");
    shop.dsl.execute("insert into notes select g, g, null from generate_series(1, 3) g");
    shop.dsl.execute("insert into notes select g + 100, null, g * 2 from generate_series(1, 3) g");
  }

  private String notes() {
    return String.valueOf(
        shop.dsl.fetchValue("select string_agg(n::text, ',' order by id) from notes n"));
  }

  @Test
  void rowsThatAForeignKeyTakesWithPropagatedChildren_arePutBackToo() {
    shop.customers(3);
    foreignKeys();
    DeleteCapture.of(shop.transactions, repaired.declarations).install();
    String before = repaired.contents() + notes();
    shop.dsl.execute("delete from customers where id in (2, 3)");
    repaired.drain();
    assertThat(shop.count("select count(*) from lines")).isEqualTo(2);
    for (Object batch :
        shop.dsl.fetchValues("select distinct batch from pgbelay.reconcile_undo").toArray()) {
      assertThat(repaired.undo((UUID) batch).conflicts()).isEmpty();
    }
    shop.dsl.execute("insert into customers values (2, 'c2'), (3, 'c3')");
    assertThat(repaired.contents() + notes()).isEqualTo(before);
  }

  @Test
  void childWithTheKeyOfARowThatWasCarriedAlong_isTreatedAllTheSame() {
    shop.customers(3);
    foreignKeys();
    shop.dsl.execute("insert into orders values (4, 2, 'open', 0), (5, 2, 'open', 0)");
    DeleteCapture.of(shop.transactions, repaired.declarations).install();
    shop.dsl.execute("delete from customers where id = 2");
    Propagation worker =
        Propagation.builder(shop.transactions, repaired.declarations)
            .chunk(1)
            .dutyPercent(100)
            .build();
    for (int pass = 0; pass < 100 && worker.runOnce().work() > 0; pass++) {
      assertThat(pass).isLessThan(99);
    }
    assertThat(shop.count("select count(*) from orders where customer_id = 2")).isZero();
  }

  @Test
  void treeThatTakesItsBranchesAlong_andItsCycles_arePutBackToo() {
    shop.customers(3);
    shop.dsl.execute(
        "alter table orders add column follows bigint references orders on delete cascade");
    try {
      shop.dsl.execute("insert into orders values (11, 1, 'open', 0, 2), (12, 1, 'open', 0, 11)");
      shop.dsl.execute("update orders set follows = 12 where id = 2");
      shop.dsl.execute("update orders set follows = 3 where id = 3");
      shop.dsl.execute("delete from customers where id in (2, 3)");
      repaired.check();
      String before = repaired.contents();
      RepairReport report = repaired.repair(RepairPolicy.quarantine());
      assertThat(shop.count("select count(*) from orders")).isEqualTo(1);
      // A cycle cannot be put back row by row under a key that is not deferred.
      shop.dsl.execute("alter table orders drop constraint orders_follows_fkey");
      assertThat(repaired.undo(report.batch()).conflicts()).isEmpty();
      assertThat(repaired.contents()).isEqualTo(before);
    } finally {
      shop.dsl.execute("alter table orders drop column follows");
    }
  }

  @Test
  void rowsWithoutPrimaryKeyThatWouldGoAlong_keepTheirRowFromBeingRepaired() {
    shop.customers(3);
    shop.dsl.execute("create table notes (order_id bigint references orders on delete cascade)");
    shop.dsl.execute("insert into notes values (3)");
    shop.dsl.execute("delete from customers where id in (2, 3)");
    repaired.check();
    RepairReport report = repaired.repair(RepairPolicy.quarantine());
    assertThat(report.declarations().get(0).repaired()).isEqualTo(1);
    assertThat(report.declarations().get(0).failures())
        .singleElement()
        .satisfies(text -> assertThat(text).contains("notes_order_id_fkey"));
    assertThat(shop.count("select count(*) from notes")).isEqualTo(1);
  }

  @Test
  void createdParentThatOthersReferToByNow_isNotTakenBack() {
    shop.customers(3);
    shop.dsl.execute("insert into orders values (9, 99, 'open', 0)");
    repaired.check();
    RepairReport report =
        repaired.repair(RepairPolicy.createParent(Map.of(field(name("name")), "nobody")));
    shop.dsl.execute(
        "create table notes (id bigint primary key, of bigint references customers on delete cascade)");
    shop.dsl.execute("insert into notes values (1, 99)");
    assertThat(repaired.undo(report.batch()).conflicts()).hasSize(1);
    assertThat(shop.count("select count(*) from notes")).isEqualTo(1);
  }
}
