package dev.pgbelay.reconcilecli;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import java.util.Map;
import org.jooq.impl.SQLDataType;

/** As a service would write it. */
public final class ShopSource implements DeclarationsSource {
  public ShopSource() {}

  @Override
  public Declarations declarations() {
    return Declarations.of(
        "7",
        Reference.builder("order-customer")
            .child(table(name("orders")), field(name("customer_id")))
            .parent(table(name("customers")), field(name("id")))
            .build(),
        Invariant.everyRow(
                "order-status",
                table(name("orders")),
                field(name("status"), SQLDataType.CLOB).in("open", "paid"))
            .withChangedAt(field(name("changed_at"), SQLDataType.TIMESTAMPWITHTIMEZONE)));
  }

  @Override
  public Map<String, RepairPolicy> policies() {
    return Map.of("order-customer", RepairPolicy.quarantine());
  }

  @Override
  public Map<String, String> exclusions() {
    return Map.of("public.orders.tracking_id", "of the parcel service");
  }

  /** Cannot even be loaded. */
  public static final class Broken implements DeclarationsSource {
    private static final int NUMBER = Integer.parseInt("none");

    public Broken() {}

    @Override
    public Declarations declarations() {
      return Declarations.of("" + NUMBER);
    }
  }
}
