package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.testing.PostgresExtension;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A column that refers to one of several tables, by a type beside it. */
class ReferencesByTypePostgresTest {
  private static final Table<Record> NOTES = table(name("notes"));
  private static final Field<Long> OWNER = field(name("notes", "owner_id"), SQLDataType.BIGINT);
  private static final Field<String> TYPE = field(name("notes", "owner_type"), SQLDataType.CLOB);
  private static final Declarations RULES =
      Declarations.of(
          "1",
          Reference.builder("note-customer")
              .child(NOTES, OWNER)
              .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
              .childWhere(TYPE.eq("customer"))
              .onDelete(OnDelete.cascade())
              .build(),
          Reference.builder("note-order")
              .child(NOTES, OWNER)
              .parent(ShopFixture.ORDERS, ShopFixture.ORDER_ID)
              .childWhere(TYPE.eq("order"))
              .onDelete(OnDelete.cascade())
              .build());

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  @Test
  void childrenOfEachType_areCheckedAgainstTheirOwnParents_andGoWithThem() {
    ShopFixture shop = new ShopFixture(postgres.dataSource());
    shop.customers(3);
    shop.dsl.execute(
        "create table notes (id bigint primary key, owner_type text not null, owner_id bigint)");
    shop.dsl.execute("create index on notes (owner_id)");
    shop.dsl.execute(
        "insert into notes values (1, 'customer', 1), (2, 'order', 1), (3, 'customer', 2),"
            + " (4, 'parcel', 1)");
    RULES.requireMatching(shop.transactions);
    DeleteCapture.of(shop.transactions, RULES).install();
    shop.dsl.execute("delete from customers where id = 1");

    CheckReport report = Checker.builder(shop.transactions, RULES).build().run();
    assertThat(report.declarations().get(0).open()).isEqualTo(1);
    assertThat(report.declarations().get(1).open()).isZero();

    Propagation propagation = Propagation.builder(shop.transactions, RULES).build();
    while (propagation.runOnce().work() > 0) {
      // the next chunk
    }
    assertThat(shop.dsl.fetch("select id from notes order by id").getValues("id", Long.class))
        .containsExactly(2L, 3L, 4L);
  }
}
