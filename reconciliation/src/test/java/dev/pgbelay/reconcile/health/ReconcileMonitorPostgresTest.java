package dev.pgbelay.reconcile.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a monitor sees, says and shows. Ages are made by moving what is written into the past. */
class ReconcileMonitorPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private ReconcileMonitor.Builder monitor() {
    return ReconcileMonitor.builder(shop.transactions, ShopFixture.ALL);
  }

  private void check() {
    Checker.builder(shop.transactions, ShopFixture.ALL).build().run();
  }

  private void age(String declaration, String interval) {
    shop.dsl.execute(
        "update pgbelay.reconcile_run set started_at = started_at - ?::interval,"
            + " finished_at = finished_at - ?::interval where declaration = ?",
        interval,
        interval,
        declaration);
  }

  private void capture(String reference, String age, boolean held) {
    shop.dsl.execute(
        "insert into pgbelay.reconcile_deleted (reference, parent_key, cause, urgency, captured_at,"
            + " held_because) values (?, '[\"1\"]', 'DELETE', 1, now() - ?::interval, ?)",
        reference,
        age,
        held ? "too many rows" : null);
  }

  private static Health healthOf(ReconcileMonitor.Builder builder) {
    try (ReconcileMonitor monitor = builder.build()) {
      monitor.look();
      return monitor.health();
    }
  }

  private static void assertHealth(Health health, Status status, String... texts) {
    assertThat(health.status()).isEqualTo(status);
    assertThat(health.reasons()).hasSize(texts.length);
    for (int k = 0; k < texts.length; k++) {
      assertThat(health.reasons().get(k).text()).contains(texts[k]);
    }
  }

  @Test
  void checkedInTime_isUp() {
    shop.customers(10);
    check();
    assertHealth(healthOf(monitor()), Status.UP);
  }

  @Test
  void lastSuccessOlderThanItsPeriod_isDown_byTheDatabasesClock() {
    shop.customers(10);
    check();
    age("order-total", "3 hours");
    ReconcileMonitor.Builder builder = monitor().period("order-total", Duration.ofHours(2));
    assertHealth(
        healthOf(builder),
        Status.DOWN,
        "'order-total' was last checked to its end PT3H ago, longer than PT2H");
    assertHealth(healthOf(builder.period("order-total", Duration.ofHours(4))), Status.UP);
    age("order-status", "5 hours");
    assertHealth(
        healthOf(monitor().period(Duration.ofHours(4))), Status.DOWN, "'order-status' was last");
  }

  @Test
  void incompleteRuns_areNoSuccess() {
    shop.customers(10);
    check();
    shop.dsl.execute(
        "update pgbelay.reconcile_run set outcome = 'INCOMPLETE', reason = 'nobody knows'"
            + " where declaration = 'order-total'");
    assertHealth(
        healthOf(monitor()),
        Status.DEGRADED,
        "'order-total' was never checked to its end; the last run: nobody knows");
    age("order-total", "3 days");
    assertHealth(healthOf(monitor()), Status.DOWN, "'order-total' was never checked to its end");
  }

  @Test
  void findingsAreASuccessOfTheChecker_andDegradeAboveTheirBound() {
    shop.customers(10);
    shop.dsl.execute("update orders set status = 'x' where id <= 3");
    check();
    assertHealth(
        healthOf(monitor()), Status.DEGRADED, "'order-status' has 3 open findings, more than 0");
    assertHealth(healthOf(monitor().mostFindings(2)), Status.DEGRADED, "more than 2");
    assertHealth(healthOf(monitor().mostFindings(3)), Status.UP);
    shop.dsl.execute("update orders set status = 'open'");
    check();
    assertHealth(healthOf(monitor()), Status.UP);
  }

  @Test
  void candidates_doNotHideFindingsBehindTheLimit() {
    shop.customers(10);
    shop.dsl.execute("update orders set status = 'x' where id > 5");
    check();
    shop.dsl.execute(
        "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence)"
            + " select 'order-status', to_jsonb(array['0' || g]), 'CANDIDATE', '{}' from"
            + " generate_series(1, 50) g");
    shop.dsl.execute("analyze pgbelay.reconcile_finding");
    try (ReconcileMonitor monitor = monitor().countUpTo(4).build()) {
      DeclarationFigures seen = monitor.look().declarations().get(2);
      assertThat(seen.confirmed()).isEqualTo(4);
      assertThat(seen.candidates()).isEqualTo(4);
    }
  }

  @Test
  void declarationWithoutAnyRun_isDegradedAtFirst() {
    shop.customers(10);
    assertHealth(
        healthOf(monitor()),
        Status.DEGRADED,
        "'order-customer' was never checked",
        "'order-total' was never checked",
        "'order-status' was never checked");
    HealthRules rules =
        new HealthRules(
            java.util.Map.of(), Duration.ofHours(1), Duration.ofDays(1), Duration.ofHours(1), 0);
    try (ReconcileMonitor monitor = monitor().build()) {
      ReconcileSnapshot seen = monitor.look();
      assertThat(rules.judge(seen, Duration.ofMinutes(59)).status()).isEqualTo(Status.DEGRADED);
      assertThat(rules.judge(seen, Duration.ofMinutes(61)).status()).isEqualTo(Status.DOWN);
    }
  }

  @Test
  void fullScanTooOld_isDown_thoughIncrementalRunsSucceed() {
    shop.customers(10);
    check();
    shop.dsl.execute(
        "update pgbelay.reconcile_run set started_at = started_at - interval '40 days'");
    assertHealth(
        healthOf(monitor().period(Duration.ofDays(100))),
        Status.DOWN,
        "every row of declaration 'order-customer' was last looked at",
        "every row of declaration 'order-total' was last looked at",
        "every row of declaration 'order-status' was last looked at");
    assertHealth(healthOf(monitor().fullScanWithin(Duration.ofDays(41))), Status.UP);
  }

  @Test
  void capturedDeletes_areDownWhenTheyWaitTooLong_andDegradeWhenHeld() {
    shop.customers(10);
    check();
    capture("order-customer", "10 minutes", false);
    assertHealth(healthOf(monitor()), Status.UP);
    capture("order-customer", "20 minutes", false);
    assertHealth(
        healthOf(monitor()),
        Status.DOWN,
        "2 captured deletes of reference 'order-customer' wait, the oldest for PT20M");
    assertHealth(healthOf(monitor().deletesWithin(Duration.ofMinutes(21))), Status.UP);
    capture("order-customer", "1 hour", true);
    assertHealth(
        healthOf(monitor().deletesWithin(Duration.ofMinutes(21))),
        Status.DEGRADED,
        "1 captured deletes of reference 'order-customer' are held, the oldest for PT1H");
  }

  @Test
  void capturedDeletesOfUndeclaredReferences_degrade() {
    check();
    capture("gone", "1 minute", false);
    assertHealth(
        healthOf(monitor()), Status.DEGRADED, "1 deletes were captured of reference 'gone'");
  }

  @Test
  void deletesBeyondTheLimit_areSaidToBeMore_andHideNeitherHeldOnesNorOtherReferences() {
    shop.customers(10);
    check();
    for (int k = 0; k < 6; k++) {
      capture("gone", "3 hours", false);
      capture("order-customer", "2 hours", false);
    }
    capture("order-customer", "1 hour", true);
    ReconcileMonitor.Builder builder = monitor().countUpTo(4);
    assertHealth(
        healthOf(builder),
        Status.DOWN,
        "more than 4 captured deletes of reference 'order-customer' wait, the oldest for PT2H",
        "1 captured deletes of reference 'order-customer' are held, the oldest for PT1H",
        "more than 4 deletes were captured of reference 'gone'");
    try (ReconcileMonitor monitor = builder.build()) {
      DeleteFigures seen = monitor.look().deletes().get(0);
      assertThat(seen.waiting()).isEqualTo(4);
      assertThat(seen.moreWaiting()).isTrue();
      assertThat(seen.held()).isEqualTo(1);
      assertThat(seen.moreHeld()).isFalse();
    }
    assertHealth(
        healthOf(monitor().countUpTo(6)),
        Status.DOWN,
        "6 captured deletes of reference 'order-customer' wait",
        "1 captured deletes",
        "6 deletes were captured of reference 'gone'");
  }

  @Test
  void nothingCanBeRead_isDown() {
    try (ReconcileMonitor monitor = monitor().schema("nowhere").build()) {
      assertThatThrownBy(monitor::look)
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("module \"reconcile\"");
      assertThat(monitor.health().status()).isEqualTo(Status.DOWN);
    }
  }

  private double gauge(String name, String... tags) {
    return registry.get("pgbelay.reconcile." + name).tags(tags).gauge().value();
  }

  @Test
  void figures_areGaugesWithTheirTags_andGoWithTheMonitor() {
    shop.customers(10);
    shop.dsl.execute("update orders set status = 'x' where id <= 3");
    check();
    age("order-status", "2 hours");
    shop.dsl.execute(
        "update pgbelay.reconcile_finding set first_seen = now() - interval '3 hours'"
            + " where row_key = '[\"2\"]'");
    capture("order-customer", "10 minutes", false);
    capture("order-customer", "1 hour", true);
    capture("gone", "1 hour", true);
    shop.dsl.execute(
        "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence)"
            + " values ('order-status', '[\"11\"]', 'CANDIDATE', '{}')");
    shop.dsl.execute("delete from pgbelay.reconcile_run where declaration = 'order-total'");
    try (ReconcileMonitor monitor = monitor().meterRegistry(registry).name("shop").build()) {
      assertThat(gauge("findings", "declaration", "order-status", "state", "confirmed")).isNaN();
      monitor.look();
      String[] status = {"monitor", "shop", "declaration", "order-status"};
      assertThat(gauge("health", "monitor", "shop")).isEqualTo(1);
      assertThat(
              gauge(
                  "findings",
                  "monitor",
                  "shop",
                  "declaration",
                  "order-status",
                  "state",
                  "confirmed"))
          .isEqualTo(3);
      assertThat(gauge("findings", "declaration", "order-status", "state", "candidate"))
          .isEqualTo(1);
      assertThat(gauge("findings", "declaration", "order-customer", "state", "confirmed")).isZero();
      assertThat(gauge("findings.age", status)).isBetween(10_800.0, 14_400.0);
      assertThat(gauge("findings.age", "declaration", "order-customer")).isNaN();
      assertThat(monitor.health().reasons().toString()).contains("the oldest seen first PT3H");
      assertThat(gauge("last.rows", status)).isEqualTo(10);
      assertThat(gauge("last.duration", status)).isNotNegative();
      assertThat(gauge("success.age", status)).isGreaterThanOrEqualTo(7_200);
      assertThat(gauge("full.age", status)).isGreaterThanOrEqualTo(7_200);
      assertThat(gauge("success.age", "declaration", "order-total")).isNaN();
      assertThat(gauge("full.age", "declaration", "order-total")).isNaN();
      String[] waiting = {"monitor", "shop", "reference", "order-customer", "state", "waiting"};
      String[] held = {"monitor", "shop", "reference", "order-customer", "state", "held"};
      assertThat(gauge("deletes", waiting)).isEqualTo(1);
      assertThat(gauge("deletes", held)).isEqualTo(1);
      assertThat(gauge("deletes.age", waiting)).isGreaterThanOrEqualTo(600);
      assertThat(gauge("deletes.age", held)).isGreaterThanOrEqualTo(3_600);
      assertThat(gauge("deletes.undeclared", "monitor", "shop")).isEqualTo(1);
    }
    List<String> left =
        registry.getMeters().stream().map(Meter::getId).map(Meter.Id::getName).toList();
    assertThat(left).noneMatch(name -> name.startsWith("pgbelay.reconcile."));
  }

  @Test
  void options_areCheckedByName() {
    assertThatThrownBy(() -> monitor().period("unknown", Duration.ofDays(1)))
        .hasMessageContaining("'unknown'");
    assertThatThrownBy(() -> monitor().period(Duration.ZERO)).hasMessageContaining("period");
    assertThatThrownBy(() -> monitor().mostFindings(10).countUpTo(10).build())
        .hasMessageContaining("countUpTo");
  }
}
