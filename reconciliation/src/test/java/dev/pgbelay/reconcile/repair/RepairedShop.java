package dev.pgbelay.reconcile.repair;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Drain;
import dev.pgbelay.reconcile.propagate.Propagation;
import java.time.Duration;
import java.util.UUID;

/** Orders whose customers go: checked, repaired, propagated, and put back. */
final class RepairedShop {
  final ShopFixture shop;
  Declarations declarations = orders(OnDelete.cascade(), Duration.ZERO);

  RepairedShop(ShopFixture shop) {
    this.shop = shop;
  }

  static Declarations orders(OnDelete rule, Duration grace) {
    return Declarations.of("1", ShopFixture.orderCustomer().onDelete(rule).grace(grace).build());
  }

  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
  }

  CheckReport check() {
    return Checker.builder(shop.transactions, declarations)
        .confirmWithin(Duration.ofMillis(100))
        .build()
        .run();
  }

  RepairReport repair(RepairPolicy policy) {
    return Repairs.builder(shop.transactions, declarations)
        .policy("order-customer", policy)
        .build()
        .run();
  }

  UndoLog.Undone undo(UUID batch) {
    return UndoLog.of(shop.transactions).undo(batch);
  }

  /** Every row of the three tables. */
  String contents() {
    return String.valueOf(
        shop.dsl.fetchValue(
            "select string_agg(r, chr(10) order by r) from ("
                + "select 'c' || c::text as r from customers c union all"
                + " select 'o' || o::text from orders o union all select 'l' || l::text from lines l) x"));
  }

  void drain() {
    Drain.within(100, Propagation.builder(shop.transactions, declarations).build());
  }
}
