package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.RestrictedRole;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide for each rule of deletes; without any one of them it fails. */
class PropagationGrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Reference LINE_ORDER =
      ShopFixture.lineOrder().onDelete(OnDelete.cascade()).build();

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final RestrictedRole role = new RestrictedRole(postgres.dataSource(), postgres.jdbcUrl());

  @AfterEach
  void dropRole() {
    uninstall();
    role.close();
  }

  private void uninstall() {
    DeleteCapture.of(shop.transactions, rules(OnDelete.cascade(), LINE_ORDER)).uninstall();
  }

  private static Declarations rules(OnDelete rule, Reference... further) {
    List<Reference> all = new ArrayList<>(List.of(further));
    all.add(ShopFixture.orderCustomer().onDelete(rule).build());
    return Declarations.of("1", all.toArray(Reference[]::new));
  }

  private void deleted(Declarations rules) {
    uninstall();
    shop.dsl.execute(
        "truncate customers, orders, lines, pgbelay.reconcile_undo, pgbelay.reconcile_deleted");
    shop.customers(2);
    DeleteCapture.of(shop.transactions, rules).install();
    shop.dsl.execute("delete from customers where id = 1");
  }

  /** Held with its error at its first failure. */
  private void propagate(Declarations rules) {
    Propagation propagation = Propagation.builder(role.transactions, rules).build();
    int work;
    do {
      shop.dsl.execute("update pgbelay.reconcile_deleted set attempts = 19");
      work = propagation.runOnce().work();
    } while (work > 0);
    assertThat(
            String.valueOf(
                shop.dsl.fetchValue(
                    "select coalesce(string_agg(held_because, ';'), count(*)::text)"
                        + " from pgbelay.reconcile_deleted")))
        .isEqualTo("0");
  }

  private void assertNeeds(Declarations rules, String... grants) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "select on pgbelay.reconcile_deleted",
                "update on pgbelay.reconcile_deleted",
                "delete on pgbelay.reconcile_deleted",
                "select on pgbelay.reconcile_undo",
                "insert on pgbelay.reconcile_undo",
                "select on customers",
                "select on orders"));
    all.addAll(List.of(grants));
    role.assertNeeds(() -> deleted(rules), () -> propagate(rules), all.toArray(String[]::new));
  }

  @Test
  void cascade() {
    assertNeeds(rules(OnDelete.cascade()), "update (id) on orders", "delete on orders");
  }

  @Test
  void cascadeThatGoesOn() {
    assertNeeds(
        rules(OnDelete.cascade(), LINE_ORDER),
        "update (id) on orders",
        "delete on orders",
        "insert on pgbelay.reconcile_deleted",
        "select on lines",
        "update (id) on lines",
        "delete on lines");
  }

  @Test
  void setNullAndSetDefault() {
    for (OnDelete rule : List.of(OnDelete.setNull(), OnDelete.setDefault())) {
      assertNeeds(
          rules(rule), "update on pgbelay.reconcile_undo", "update (customer_id) on orders");
    }
  }

  @Test
  void softDelete() {
    assertNeeds(
        rules(OnDelete.softDelete(Map.of(ShopFixture.STATUS, "cancelled"))),
        "update on pgbelay.reconcile_undo",
        "update (status) on orders");
  }

  @Test
  void custom() {
    assertNeeds(
        rules(
            OnDelete.custom(
                (tx, reference, children) ->
                    tx.dsl()
                        .update(ShopFixture.ORDERS)
                        .set(ShopFixture.STATUS, "open")
                        .where(children)
                        .execute())),
        "update on pgbelay.reconcile_undo",
        "update (status) on orders");
  }

  @Test
  void undoOfAPropagatedDelete() {
    Declarations rules = rules(OnDelete.cascade());
    UUID[] batch = new UUID[1];
    role.assertNeeds(
        () -> {
          deleted(rules);
          Propagation propagation = Propagation.builder(shop.transactions, rules).build();
          while (propagation.runOnce().work() > 0) {
            // until nothing is left
          }
          batch[0] =
              UUID.fromString(
                  String.valueOf(
                      shop.dsl.fetchValue("select batch::text from pgbelay.reconcile_undo")));
        },
        () -> assertThat(UndoLog.of(role.transactions).undo(batch[0]).restored()).isEqualTo(1),
        "select on pgbelay.reconcile_undo",
        "update on pgbelay.reconcile_undo",
        "insert on orders");
  }
}
