package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_STATUS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import org.jooq.JSONB;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the checker says to callers who get it wrong, before it writes anything. */
class CheckerInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Duration HUGE = Duration.ofSeconds(Long.MAX_VALUE);
  private static final Duration NEGATIVE = Duration.ofNanos(-1);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private Checker.Builder checker() {
    return Checker.builder(shop.transactions, ShopFixture.ALL);
  }

  @Test
  void timesOutOfRange_areRefusedByName() {
    Map<String, BiFunction<Checker.Builder, Duration, Checker.Builder>> options =
        Map.of(
            "scanWithin", Checker.Builder::scanWithin,
            "confirmWithin", Checker.Builder::confirmWithin,
            "pollInterval", Checker.Builder::pollInterval,
            "rangeTimeout", Checker.Builder::rangeTimeout,
            "incremental", Checker.Builder::incremental,
            "overlap", Checker.Builder::overlap);
    options.forEach(
        (name, option) -> {
          for (Duration bad : List.of(NEGATIVE, HUGE)) {
            assertRefused(() -> option.apply(checker(), bad).build(), name + " must be between");
          }
        });
    for (String name : List.of("scanWithin", "pollInterval", "rangeTimeout", "incremental")) {
      assertRefused(
          () ->
              java.util.Objects.requireNonNull(options.get(name))
                  .apply(checker(), Duration.ZERO)
                  .build(),
          name);
    }
  }

  @Test
  void numbersOutOfRange_areRefusedByName() {
    for (long bad : new long[] {0, -1, Long.MIN_VALUE}) {
      assertRefused(() -> checker().maxRows(bad).build(), "maxRows");
      assertRefused(() -> checker().maxRowsPerSecond(bad).build(), "maxRowsPerSecond");
      assertRefused(() -> checker().maxCandidates(bad).build(), "maxCandidates");
    }
    assertRefused(() -> checker().maxCandidates(1_000_001).build(), "maxCandidates", "1000000");
    for (int[] bad :
        new int[][] {
          {0, 0, 0}, {-5, -10, 20}, {5, 10, 20}, {30, 10, 20}, {10, 10, 10_000_001}, {10, 20, 15}
        }) {
      assertRefused(
          () -> checker().rangeRows(bad[0], bad[1], bad[2]),
          "rangeRows must be 1 <= min <= first <= max <= 10000000",
          "first " + bad[0]);
    }
  }

  @Test
  void whatIsToBeChecked_mustBeThere() {
    assertRefused(() -> Checker.builder(nothing(), ShopFixture.ALL), "transactions");
    assertRefused(() -> Checker.builder(shop.transactions, nothing()), "declarations");
    assertRefused(
        () -> Checker.builder(shop.transactions, Declarations.of("1")).build(), "nothing to check");
    Checker checker = checker().build();
    assertRefused(() -> checker.run("order-costumer"), "'order-costumer'", "order-customer");
    assertRefused(() -> checker.run(nothing()), "'null'", "order-customer");
    for (Duration bad : List.of(Duration.ZERO, NEGATIVE, HUGE)) {
      assertRefused(() -> checker.loop("checks", bad), "every");
    }
    assertRefused(() -> checker.loop("checks", nothing()), "every");
    assertRefused(() -> checker.loop("Not A Name", Duration.ofDays(1)), "name", "Not A Name");
    assertRefused(() -> checker.loop(nothing(), Duration.ofDays(1)), "name");
  }

  @Test
  void schemasThatAreNone_areRefused_andThoseWithoutTablesSaySo() {
    for (String bad : List.of("", " ", "s".repeat(64), "ü".repeat(32), "a\u0000b")) {
      assertRefused(() -> checker().schema(bad), "schema", "1 to 63");
      assertRefused(() -> Findings.inSchema(bad), "schema");
    }
    assertRefused(() -> Findings.inSchema(nothing()), "schema");
    assertThat(checker().schema("nowhere").build().run("order-status").reason())
        .hasValueSatisfying(why -> assertThat(why).contains("SchemaInstaller", "reconcile"));
    assertRefused(
        () ->
            Findings.inSchema("nowhere")
                .list(shop.dsl, ORDER_STATUS, Finding.State.CONFIRMED, 0, 1),
        "findings",
        "SchemaInstaller");
  }

  @Test
  void pagesOfFindings_areBounded() {
    Findings findings = Findings.create();
    for (int bad : new int[] {0, -1, 10_001}) {
      assertRefused(
          () -> findings.list(shop.dsl, ORDER_STATUS, Finding.State.CONFIRMED, 0, bad), "most");
    }
    assertRefused(
        () -> findings.list(shop.dsl, ORDER_STATUS, Finding.State.CONFIRMED, -1, 1), "afterId");
    assertRefused(
        () -> findings.list(nothing(), ORDER_STATUS, Finding.State.CONFIRMED, 0, 1), "dsl");
    assertRefused(
        () -> findings.list(shop.dsl, nothing(), Finding.State.CONFIRMED, 0, 1), "declaration");
    assertRefused(() -> findings.list(shop.dsl, ORDER_STATUS, nothing(), 0, 1), "state");
  }

  @Test
  void rowsOfAFinding_areNamedByColumnsWithTypes() {
    Finding finding =
        new Finding(
            1,
            "order-status",
            JSONB.valueOf("[\"1\"]"),
            Finding.State.CONFIRMED,
            JSONB.valueOf("{}"),
            Instant.EPOCH,
            Instant.EPOCH,
            Optional.empty(),
            Optional.empty(),
            0);
    assertRefused(() -> finding.rowIs(DSL.field("id")), "'order-status'", "no type");
    assertRefused(
        () -> finding.rowIs(ShopFixture.ORDER_ID, nothing()), "'order-status'", "number 2 is null");
  }
}
