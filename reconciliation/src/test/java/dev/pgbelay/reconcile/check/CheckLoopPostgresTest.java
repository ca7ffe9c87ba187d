package dev.pgbelay.reconcile.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Checks that come again by themselves, and what checks and repairs count. */
class CheckLoopPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private Checker.Builder checker() {
    return Checker.builder(shop.transactions, ShopFixture.ALL).meterRegistry(registry);
  }

  private static void pass(Checker checker) throws Exception {
    checker.loop("test", Duration.ofHours(10)).build().runOnce();
  }

  private Map<String, Integer> runs() {
    return shop.dsl
        .fetch("select declaration, count(*) from pgbelay.reconcile_run group by declaration")
        .intoMap(row -> row.get(0, String.class), row -> row.get(1, Integer.class));
  }

  private void age(String declaration, String interval) {
    shop.dsl.execute(
        "update pgbelay.reconcile_run set started_at = started_at - ?::interval where declaration = ?",
        interval,
        declaration);
  }

  @Test
  void whatIsDue_isDecidedByTheRunsInTheDatabase() throws Exception {
    shop.customers(10);
    pass(checker().build());
    pass(checker().build());
    assertThat(runs())
        .containsOnly(
            Map.entry("order-customer", 1),
            Map.entry("order-total", 1),
            Map.entry("order-status", 1));
    age("order-total", "9 hours 59 minutes");
    age("order-status", "10 hours");
    pass(checker().build());
    assertThat(runs())
        .containsOnly(
            Map.entry("order-customer", 1),
            Map.entry("order-total", 1),
            Map.entry("order-status", 2));
  }

  @Test
  void incompleteRuns_areTriedAgainEarlier_andOpenOnesGoneOnWith() throws Exception {
    shop.customers(10);
    pass(checker().build());
    shop.dsl.execute(
        "update pgbelay.reconcile_run set outcome = 'INCOMPLETE' where declaration = 'order-total'");
    age("order-total", "59 minutes");
    age("order-status", "59 minutes");
    pass(checker().build());
    assertThat(runs()).containsEntry("order-total", 1);
    age("order-total", "1 minute");
    shop.dsl.execute(
        "update pgbelay.reconcile_run set outcome = null, finished_at = null"
            + " where declaration = 'order-customer'");
    pass(checker().build());
    assertThat(runs())
        .containsOnly(
            Map.entry("order-customer", 1),
            Map.entry("order-total", 2),
            Map.entry("order-status", 1));
    assertThat(shop.count("select count(*) from pgbelay.reconcile_run where outcome is null"))
        .isZero();
  }

  @Test
  void loop_checksAgainAndAgain_andStops() {
    shop.customers(10);
    try (BackgroundLoop loop =
        checker().build().loop("reconcile-test", Duration.ofSeconds(1)).build()) {
      loop.start();
      await()
          .atMost(Duration.ofMinutes(2))
          .until(() -> runs().getOrDefault("order-status", 0) >= 3);
    }
    assertThatThrownBy(() -> checker().build().loop("x", Duration.ZERO))
        .hasMessageContaining("every must be between");
  }

  private double count(String name, String... tags) {
    return registry.get("pgbelay.reconcile." + name).tags(tags).counter().count();
  }

  @Test
  void checks_areCountedByDeclarationModeAndOutcome() {
    shop.customers(10);
    shop.dsl.execute("update orders set status = 'x' where id <= 3");
    checker().build().run();
    String[] found = {"declaration", "order-status", "mode", "full", "outcome", "findings"};
    assertThat(registry.get("pgbelay.reconcile.runs").tags(found).timer().count()).isEqualTo(1);
    assertThat(
            registry
                .get("pgbelay.reconcile.runs")
                .tags("declaration", "order-total", "mode", "full", "outcome", "clean")
                .timer()
                .count())
        .isEqualTo(1);
    assertThat(count("rows", "declaration", "order-status")).isEqualTo(10);
    assertThat(count("candidates", "declaration", "order-status")).isEqualTo(3);
    assertThat(count("confirmed", "declaration", "order-status")).isEqualTo(3);
    assertThat(count("resolved", "declaration", "order-status")).isZero();
    shop.dsl.execute("update orders set status = 'open'");
    checker().build().run();
    assertThat(count("resolved", "declaration", "order-status")).isEqualTo(3);
    assertThat(count("rows", "declaration", "order-status")).isEqualTo(20);
  }

  @Test
  void runOfSeveralCalls_countsEachRowOnce() {
    shop.customers(1_000);
    Checker checker = checker().rangeRows(100, 100, 100).maxRows(100).build();
    int calls = 0;
    DeclarationReport report;
    do {
      report = checker.run("order-status");
      calls++;
    } while (report.outcome() == DeclarationReport.Outcome.INCOMPLETE && calls < 100);
    assertThat(report.outcome()).isEqualTo(DeclarationReport.Outcome.CLEAN);
    assertThat(calls).isGreaterThan(5);
    assertThat(count("rows", "declaration", "order-status")).isEqualTo(1_000);
    assertThat(
            registry
                .get("pgbelay.reconcile.runs")
                .tags("declaration", "order-status", "outcome", "incomplete")
                .timer()
                .count())
        .isEqualTo(calls - 1);
  }

  @Test
  void runThatIsNotWhole_tellsOfFindingsThatAreOpen() {
    shop.customers(1_000);
    shop.dsl.execute("update orders set status = 'x' where id = 900");
    assertThat(checker().build().run("order-status").open()).isEqualTo(1);
    DeclarationReport report =
        checker().rangeRows(100, 100, 100).maxRows(100).build().run("order-status");
    assertThat(report.outcome()).isEqualTo(DeclarationReport.Outcome.INCOMPLETE);
    assertThat(report.open()).isEqualTo(1);
  }

  @Test
  void repairs_areCountedByActionAndOutcome() {
    shop.customers(10);
    shop.dsl.execute("update orders set total = 0 where id <= 3");
    checker().build().run();
    shop.dsl.execute("update orders set total = 20 where id = 3");
    Repairs.Builder repairs =
        Repairs.builder(shop.transactions, ShopFixture.ALL)
            .policy("order-total", RepairPolicy.recompute())
            .meterRegistry(registry);
    repairs.build().dryRun();
    assertThat(registry.find("pgbelay.reconcile.repairs").counters()).isEmpty();
    repairs
        .afterEach(
            (tx, finding) -> {
              if (finding.rowKey().data().contains("1")) {
                throw new IllegalStateException("not this one");
              }
            })
        .build()
        .run();
    String[] tags = {"declaration", "order-total", "action", "recompute"};
    assertThat(repairs("repaired", tags)).isEqualTo(1);
    assertThat(repairs("gone", tags)).isEqualTo(1);
    assertThat(repairs("failed", tags)).isEqualTo(1);
  }

  private double repairs(String outcome, String... tags) {
    return registry
        .get("pgbelay.reconcile.repairs")
        .tags(tags)
        .tag("outcome", outcome)
        .counter()
        .count();
  }
}
