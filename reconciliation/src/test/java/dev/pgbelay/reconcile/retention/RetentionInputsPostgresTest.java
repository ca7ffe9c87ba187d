package dev.pgbelay.reconcile.retention;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What retention says to callers who get it wrong, before it deletes anything. */
class RetentionInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private Retention.Builder retention() {
    return Retention.builder(shop.transactions);
  }

  @Test
  void optionsOutOfRange_areRefusedByName() {
    Map<String, BiFunction<Retention.Builder, Duration, Retention.Builder>> times =
        Map.of(
            "keepRuns", Retention.Builder::keepRuns,
            "keepFindings", Retention.Builder::keepFindings,
            "keepUndo", Retention.Builder::keepUndo,
            "waitAtMost", Retention.Builder::waitAtMost);
    times.forEach(
        (name, option) -> {
          for (Duration bad :
              List.of(
                  Duration.ofNanos(-1),
                  Duration.ofDays(3651),
                  Duration.ofSeconds(Long.MAX_VALUE))) {
            assertRefused(() -> option.apply(retention(), bad).build(), name + " must be between");
          }
        });
    assertRefused(() -> retention().keepRuns(Duration.ZERO).build(), "keepRuns");
    for (Duration bad : List.of(Duration.ZERO, Duration.ofMillis(-1), Duration.ofDays(1))) {
      assertRefused(() -> retention().build().loop("retention", bad), "every");
    }
    assertRefused(() -> Retention.builder(nothing()), "transactions");
  }

  @Test
  void findingsThatGoBeforeTheirUndo_areRefused() {
    assertRefused(
        () -> retention().keepFindings(Duration.ofDays(10)).keepUndo(Duration.ofDays(11)).build(),
        "keepFindings is PT240H",
        "keepUndo, which is PT264H");
  }

  @Test
  void schemaWithoutTables_saysWhatToInstall() {
    assertRefused(
        () -> retention().schema("nowhere").build().run(),
        "nowhere",
        "reconcile_run",
        "check the names and the schema");
  }
}
