package dev.pgbelay.reconcile.migrate;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.migrate.ShadowGuard.Measured;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a migration says to callers who get it wrong, before its first step. */
class MigrationInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private ForeignKeyMigration.Builder migration() {
    return migration("order-customer");
  }

  private ForeignKeyMigration.Builder migration(String reference) {
    return ForeignKeyMigration.builder(
        postgres.dataSource(), shop.transactions, ShopFixture.ALL, reference);
  }

  @Test
  void referenceThatIsNotDeclared_isRefusedWithThoseThatAre() {
    assertRefused(migration("order-costumer")::build, "'order-costumer'", "[order-customer]");
    assertRefused(migration("order-total")::build, "'order-total'");
    assertRefused(() -> migration(nothing()), "reference");
    assertRefused(
        () -> ForeignKeyMigration.builder(nothing(), shop.transactions, ShopFixture.ALL, "a"),
        "dataSource");
  }

  @Test
  void namesThatPostgresWouldCut_areRefused() {
    assertRefused(() -> migration().keyName("k".repeat(64)), "keyName", "64 bytes", "63");
    assertRefused(() -> migration().keyName(""), "keyName");
    assertRefused(() -> migration().keyName("a\u0000b"), "keyName");
    assertRefused(() -> migration().schema("ß".repeat(32)), "schema", "64 bytes");
  }

  /** They would stop it behind its first steps, or be content with something else. */
  @Test
  void checkerAndRepairsOverOtherDeclarations_areRefused() {
    Declarations without = Declarations.of("1", ShopFixture.ORDER_STATUS);
    Declarations other =
        Declarations.of(
            "1", ShopFixture.orderCustomer().childWhere(ShopFixture.STATUS.eq("open")).build());
    Declarations taken =
        Declarations.of(
            "1",
            Invariant.everyRow(
                "order-customer", ShopFixture.ORDERS, ShopFixture.STATUS.isNotNull()));
    for (Declarations each : List.of(without, other, taken)) {
      assertRefused(
          migration().checker(Checker.builder(shop.transactions, each).build())::build,
          "'order-customer'",
          "checker is over declarations");
      assertRefused(
          migration().repairs(Repairs.builder(shop.transactions, each).build())::build,
          "'order-customer'",
          "repairs is over declarations");
    }
    Declarations again = Declarations.of("1", ShopFixture.orderCustomer().build());
    assertThat(
            migration()
                .checker(Checker.builder(shop.transactions, again).build())
                .repairs(Repairs.builder(shop.transactions, again).build())
                .build()
                .planToForeignKey())
        .isNotEmpty();
  }

  @Test
  void wayToTheApplicationWithoutMeasurements_isRefused() {
    assertRefused(migration().build()::toApplication, "guardsEnforced(measured)");
    Measured none =
        ShadowGuard.over(ParentGuard.exists(ShopFixture.ORDER_CUSTOMER_REFERENCE)).measured();
    assertRefused(migration().guardsEnforced(none).build()::toApplication, "there must be checks");
  }

  @Test
  void measurementsThatNobodyMade_areRefused() {
    assertRefused(() -> new Measured(-1, 0, 0, 0, List.of()), "checks");
    assertRefused(() -> new Measured(1, -1, 0, 0, List.of()), "refused");
    assertRefused(() -> new Measured(1, 0, -1, 0, List.of()), "committed");
    assertRefused(() -> new Measured(1, 0, 0, -1, List.of()), "unknown");
    assertRefused(() -> new Measured(1, 0, 0, 0, nothing()), "samples");
    assertRefused(() -> new Measured(1, 0, 0, 0, List.of()).plus(nothing()), "measured elsewhere");
    assertRefused(() -> ShadowGuard.over(nothing()), "guard");
    assertRefused(
        () ->
            ShadowGuard.over(ParentGuard.exists(ShopFixture.ORDER_CUSTOMER_REFERENCE))
                .meterRegistry(nothing()),
        "meterRegistry");
  }
}
