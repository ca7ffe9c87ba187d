package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.RestrictedRole;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide for each policy and its undo; without any one of them it fails. */
class RepairGrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final RestrictedRole role = new RestrictedRole(postgres.dataSource(), postgres.jdbcUrl());

  @AfterEach
  void dropRole() {
    role.close();
  }

  /** One order has no customer, another one a wrong total. */
  private void confirmed() {
    shop.dsl.execute(
        "truncate customers, orders, lines, pgbelay.reconcile_run, pgbelay.reconcile_finding,"
            + " pgbelay.reconcile_undo, pgbelay.chunk_job");
    shop.customers(3);
    shop.dsl.execute("delete from customers where id = 2");
    shop.dsl.execute("update orders set total = 7 where id = 3");
    Checker.builder(shop.transactions, ShopFixture.ALL).build().run();
  }

  private static UUID repair(Transactions as, String declaration, RepairPolicy policy) {
    RepairReport report =
        Repairs.builder(as, ShopFixture.ALL).policy(declaration, policy).build().run();
    RepairReport.OfDeclaration one =
        report.declarations().stream()
            .filter(each -> each.declaration().equals(declaration))
            .findFirst()
            .orElseThrow();
    assertThat(one.repaired()).as(one.failures().toString()).isEqualTo(1);
    return report.batch();
  }

  private void assertRepairNeeds(String declaration, RepairPolicy policy, String... grants) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "select on pgbelay.reconcile_finding",
                "update on pgbelay.reconcile_finding",
                "insert on pgbelay.reconcile_undo"));
    all.addAll(List.of(grants));
    role.assertNeeds(
        this::confirmed,
        () -> repair(role.transactions, declaration, policy),
        all.toArray(String[]::new));
  }

  private void assertUndoNeeds(String declaration, RepairPolicy policy, String... grants) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "select on pgbelay.reconcile_finding",
                "update on pgbelay.reconcile_finding",
                "select on pgbelay.reconcile_undo",
                "update on pgbelay.reconcile_undo"));
    all.addAll(List.of(grants));
    UUID[] batch = new UUID[1];
    role.assertNeeds(
        () -> {
          confirmed();
          batch[0] = repair(shop.transactions, declaration, policy);
        },
        () -> {
          UndoLog.Undone undone = UndoLog.of(role.transactions).undo(batch[0]);
          assertThat(undone.restored()).as(undone.conflicts().toString()).isEqualTo(1);
        },
        all.toArray(String[]::new));
  }

  @Test
  void quarantineAndDelete() {
    for (RepairPolicy policy : List.of(RepairPolicy.quarantine(), RepairPolicy.delete())) {
      assertRepairNeeds(
          "order-customer",
          policy,
          "select on customers",
          "select on orders",
          "update (id) on orders",
          "delete on orders");
      assertUndoNeeds("order-customer", policy, "insert on orders");
    }
  }

  @Test
  void setNull() {
    assertRepairNeeds(
        "order-customer",
        RepairPolicy.setNull(),
        "select on customers",
        "select on orders",
        "update (customer_id) on orders");
    assertUndoNeeds(
        "order-customer", RepairPolicy.setNull(), "select on orders", "update on orders");
  }

  @Test
  void placeholder() {
    RepairPolicy policy =
        RepairPolicy.createParent(Map.of(DSL.field(DSL.name("name")), "placeholder"));
    assertRepairNeeds(
        "order-customer",
        policy,
        "select on customers",
        "insert (id, name) on customers",
        "select on orders",
        "update (id) on orders");
    assertUndoNeeds("order-customer", policy, "select on customers", "delete on customers");
  }

  @Test
  void recompute() {
    assertRepairNeeds(
        "order-total",
        RepairPolicy.recompute(),
        "select on lines",
        "select on orders",
        "update (total) on orders");
    assertUndoNeeds(
        "order-total", RepairPolicy.recompute(), "select on orders", "update on orders");
  }

  @Test
  void custom() {
    assertRepairNeeds(
        "order-customer",
        RepairPolicy.custom(
            (tx, finding) -> tx.dsl().execute("update orders set customer_id = 1 where id = 2")),
        "select on customers",
        "select on orders",
        "update (customer_id) on orders");
  }

  @Test
  void dryRun() {
    role.assertNeeds(
        this::confirmed,
        () ->
            assertThat(
                    Repairs.builder(role.transactions, ShopFixture.ALL)
                        .policy("order-customer", RepairPolicy.quarantine())
                        .build()
                        .dryRun()
                        .declarations()
                        .get(0)
                        .repaired())
                .isEqualTo(1),
        "select on pgbelay.reconcile_finding",
        "select on customers",
        "select on orders");
  }
}
