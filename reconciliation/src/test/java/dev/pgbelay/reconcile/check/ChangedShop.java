package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.FULL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.TemplateInitializer;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The shop with columns that say when a row was written, and declarations that know them. */
final class ChangedShop {
  private static final Field<?> ORDER_CHANGED = field(name("orders", "changed_at"));

  static final Reference REFERENCE =
      ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).changedAt(ORDER_CHANGED).build();
  static final DerivedValue TOTAL =
      DerivedValue.builder("order-total")
          .column(ShopFixture.ORDERS, ShopFixture.TOTAL)
          .mustEqual(ShopFixture.ORDER_TOTAL.expected(), ShopFixture.LINES)
          .changedAt(ORDER_CHANGED)
          .sourceChangedAt(
              ShopFixture.LINES, field(name("lines", "changed_at")), ShopFixture.LINE_ORDER)
          .build();
  static final Invariant STATUS = ShopFixture.ORDER_STATUS.withChangedAt(ORDER_CHANGED);

  static final TemplateInitializer SCHEMA =
      dataSource -> {
        ShopFixture.SCHEMA.initialize(dataSource);
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute(
                "create function touch() returns trigger language plpgsql as"
                    + " $$ begin new.changed_at := now(); return new; end $$;"
                    + " alter table orders add changed_at timestamptz not null default now();"
                    + " alter table lines add changed_at timestamptz not null default now();"
                    + " create trigger touch before update on orders for each row execute function touch();"
                    + " create trigger touch before update on lines for each row execute function touch();"
                    + " create index on orders (changed_at, id);"
                    + " create index on lines (changed_at, id)");
      };

  private ChangedShop() {}

  static void assertRead(
      DeclarationReport report, DeclarationReport.Mode mode, long rows, long open) {
    assertThat(report.mode()).as("%s", report).isEqualTo(mode);
    assertThat(report.rowsChecked()).as("%s", report).isEqualTo(rows);
    assertThat(report.rowsInScope()).as("%s", report).isEqualTo(rows);
    assertThat(report.rowsNotReached()).as("%s", report).isZero();
    assertThat(report.open()).as("%s", report).isEqualTo(open);
    assertThat(report.outcome()).as("%s", report).isEqualTo(open == 0 ? CLEAN : FINDINGS);
  }

  static void assertFullBecause(DeclarationReport report, String why) {
    assertThat(report.mode()).as("%s", report).isEqualTo(FULL);
    assertThat(report.whyFull()).hasValueSatisfying(text -> assertThat(text).contains(why));
  }
}
