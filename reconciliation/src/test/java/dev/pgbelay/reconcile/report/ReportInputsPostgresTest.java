package dev.pgbelay.reconcile.report;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;

import dev.pgbelay.reconcile.Refused;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.UndoLog.Undone;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What coverage and reports say to callers who get them wrong. */
class ReportInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private Coverage.Builder coverage() {
    return Coverage.builder(shop.transactions, ShopFixture.ALL);
  }

  @Test
  void coverageThatLooksAtNothing_isRefused() {
    assertRefused(
        () -> coverage().schemas("public", "shop").build().read(), "shop", "name schemas");
    assertRefused(() -> coverage().schemas("").build().read(), "name schemas that are there");
    assertRefused(() -> coverage().suffixes().build(), "suffixes", "at least one");
    assertRefused(() -> coverage().suffixes("_id", " ").build(), "suffixes");
    assertRefused(() -> coverage().exclude("public.orders.id", " "), "exclude", "a reason");
    assertRefused(() -> coverage().exclude("", "why not"), "exclude", "schema.table.column");
    assertRefused(() -> coverage().schema("s".repeat(64)), "schema");
    assertRefused(() -> Coverage.builder(nothing(), ShopFixture.ALL), "transactions");
    assertRefused(() -> Coverage.builder(shop.transactions, nothing()), "declarations");
  }

  @Test
  void reportsOfNothing_areRefused() {
    assertRefused(() -> ReportText.of((CheckReport) nothing()), "report is null");
    assertRefused(() -> ReportText.of((CoverageReport) nothing()), "report is null");
    assertRefused(() -> ReportText.of(Refused.<List<Finding>>nothing()), "findings is null");
    assertRefused(() -> ReportText.of((RepairReport) nothing()), "report is null");
    assertRefused(() -> ReportText.of((Undone) nothing()), "undo is null");
    assertRefused(() -> ReportJson.of((CheckReport) nothing()), "report is null");
    assertRefused(() -> ReportJson.of((CoverageReport) nothing()), "report is null");
    assertRefused(() -> ReportJson.of(Refused.<List<Finding>>nothing()), "findings is null");
    assertRefused(() -> ReportJson.of((RepairReport) nothing()), "report is null");
    assertRefused(() -> ReportJson.of((Undone) nothing()), "undo is null");
    assertRefused(() -> Verdict.of((CheckReport) nothing()), "report is null");
    assertRefused(() -> Verdict.of((CoverageReport) nothing()), "report is null");
  }
}
