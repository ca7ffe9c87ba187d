package dev.pgbelay.reconcile.repair;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_ID;
import static dev.pgbelay.reconcile.ShopFixture.STATUS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Field;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What repairs say to callers who get them wrong, before they change anything. */
class RepairInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private Repairs.Builder repairs() {
    return Repairs.builder(shop.transactions, ShopFixture.ALL);
  }

  @Test
  void policiesThatContradictThemselves_areRefused() {
    assertRefused(() -> RepairPolicy.custom(nothing()), "custom", "handler");
    assertRefused(() -> RepairPolicy.createParent(nothing()), "createParent");
    assertRefused(
        () -> RepairPolicy.createParent(Collections.singletonMap(STATUS, nothing())),
        "createParent",
        "status",
        "DSL.inline((Object) null)");
    assertRefused(() -> RepairPolicy.setNull((Field<?>) nothing()), "SET_NULL");
    assertRefused(() -> RepairPolicy.setNull(ORDER_CUSTOMER, ORDER_CUSTOMER), "twice");
    assertRefused(
        () ->
            new RepairPolicy(
                RepairPolicy.Action.DELETE, Map.of(STATUS, "x"), Optional.empty(), List.of()),
        "values belong to CREATE_PARENT");
    assertRefused(
        () ->
            new RepairPolicy(
                RepairPolicy.Action.DELETE, Map.of(), Optional.empty(), List.of(ORDER_CUSTOMER)),
        "columns belong to SET_NULL");
    assertRefused(
        () -> new RepairPolicy(RepairPolicy.Action.CUSTOM, Map.of(), Optional.empty(), List.of()),
        "handler belongs to CUSTOM");
  }

  @Test
  void policiesThatTheDeclarationDoesNotAllow_areRefusedWhenTheyAreGiven() {
    assertRefused(
        () -> repairs().policy("order-costumer", RepairPolicy.delete()),
        "'order-costumer'",
        "order-customer");
    assertRefused(
        () -> repairs().policy("order-total", RepairPolicy.setNull()), "SET_NULL", "order-total");
    assertRefused(() -> repairs().policy("order-customer", RepairPolicy.recompute()), "RECOMPUTE");
    assertRefused(
        () -> repairs().policy("order-customer", RepairPolicy.setNull(STATUS)),
        "'order-customer'",
        "sets [status]",
        "refer are [customer_id]");
    assertRefused(
        () ->
            repairs().policy("order-customer", RepairPolicy.createParent(Map.of(CUSTOMER_ID, 7L))),
        "createParent gives [id]",
        "leave it out");
    Reference previous =
        Reference.builder("previous")
            .child(ORDERS, ORDER_CUSTOMER)
            .parent(ORDERS, ORDER_ID)
            .build();
    assertRefused(
        () ->
            Repairs.builder(shop.transactions, Declarations.of("1", previous))
                .policy("previous", RepairPolicy.createParent(Map.of())),
        "refers to itself",
        "CUSTOM");
  }

  @Test
  void optionsOutOfRange_areRefusedByName() {
    for (long bad : new long[] {0, -1, 1_000_001, Long.MAX_VALUE}) {
      assertRefused(() -> repairs().ceiling(bad).build(), "ceiling", "1000000");
    }
    for (Duration bad :
        List.of(Duration.ZERO, Duration.ofMillis(-1), Duration.ofSeconds(Long.MAX_VALUE))) {
      assertRefused(() -> repairs().repairTimeout(bad).build(), "repairTimeout");
      assertRefused(() -> repairs().lockTimeout(bad).build(), "lockTimeout");
    }
    assertRefused(() -> repairs().schema("s".repeat(64)), "schema", "64 bytes");
    assertRefused(() -> Repairs.builder(nothing(), ShopFixture.ALL), "transactions");
    assertRefused(() -> Repairs.builder(shop.transactions, nothing()), "declarations");
  }

  @Test
  void columnThatMayNotBeNull_isRefusedAtTheStart_andByEachRun() {
    shop.dsl.execute("insert into orders (id, customer_id) values (1, 7)");
    shop.dsl.execute("alter table orders alter customer_id set not null");
    Checker.builder(shop.transactions, ShopFixture.ALL).build().run("order-customer");
    Repairs repairs = repairs().policy("order-customer", RepairPolicy.setNull()).build();
    assertRefused(
        repairs::requireMatching,
        "policy of 'order-customer'",
        "[customer_id] of public.orders",
        "NOT NULL");
    assertRefused(repairs::dryRun, "NOT NULL");
    assertRefused(repairs::run, "NOT NULL");
    assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isZero();
    shop.dsl.execute("alter table orders alter customer_id drop not null");
    repairs.requireMatching();
    assertThat(repairs.run().declarations().get(0).repaired()).isEqualTo(1);
  }

  @Test
  void undoWithoutABatch_orTables_saysSo() {
    UndoLog undo = UndoLog.of(shop.transactions);
    assertRefused(() -> undo.undo(nothing()), "undo", "batch");
    assertRefused(() -> UndoLog.of(nothing()), "transactions");
    assertRefused(() -> UndoLog.inSchema(shop.transactions, ""), "schema");
    assertThat(undo.undo(UUID.randomUUID()).restored()).isZero();
    assertRefused(
        () -> UndoLog.inSchema(shop.transactions, "nowhere").undo(UUID.randomUUID()),
        "undo",
        "SchemaInstaller");
    assertRefused(() -> repairs().schema("nowhere").build().run(), "findings", "SchemaInstaller");
  }
}
