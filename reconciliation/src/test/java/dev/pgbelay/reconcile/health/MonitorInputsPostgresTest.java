package dev.pgbelay.reconcile.health;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the monitor says to callers who get it wrong. */
class MonitorInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private ReconcileMonitor.Builder monitor() {
    return ReconcileMonitor.builder(shop.transactions, ShopFixture.ALL);
  }

  @Test
  void optionsOutOfRange_areRefusedByName() {
    Map<String, BiFunction<ReconcileMonitor.Builder, Duration, ReconcileMonitor.Builder>> times =
        Map.of(
            "period", ReconcileMonitor.Builder::period,
            "fullScanWithin", ReconcileMonitor.Builder::fullScanWithin,
            "deletesWithin", ReconcileMonitor.Builder::deletesWithin,
            "interval", ReconcileMonitor.Builder::interval);
    times.forEach(
        (name, option) -> {
          for (Duration bad :
              List.of(Duration.ZERO, Duration.ofMillis(-1), Duration.ofSeconds(Long.MAX_VALUE))) {
            assertRefused(() -> option.apply(monitor(), bad), name);
          }
        });
    assertRefused(() -> monitor().mostFindings(-1), "mostFindings");
    assertRefused(() -> monitor().countUpTo(0), "countUpTo");
    assertRefused(
        () -> monitor().mostFindings(5).countUpTo(5).build(), "mostFindings is 5", "less");
    for (String bad : List.of("", "Shop", "1shop", "s".repeat(33))) {
      assertRefused(() -> monitor().name(bad), "name is \"" + bad + "\"");
    }
    assertRefused(
        () -> monitor().period("order-costumer", Duration.ofDays(1)),
        "'order-costumer'",
        "order-customer");
    assertRefused(() -> ReconcileMonitor.builder(nothing(), ShopFixture.ALL), "transactions");
    assertRefused(() -> ReconcileMonitor.builder(shop.transactions, nothing()), "declarations");
  }

  @Test
  void lookWithoutTables_saysWhatToInstall() {
    try (ReconcileMonitor elsewhere = monitor().schema("nowhere").build()) {
      assertRefused(elsewhere::look, "runs and findings", "SchemaInstaller");
    }
  }

  @Test
  void startedTwice_orAfterItsEnd_isRefused_andClosedTwiceDoesNoHarm() {
    ReconcileMonitor monitor = monitor().build();
    monitor.start();
    assertRefused(monitor::start, "started or stopped before");
    monitor.close();
    assertThatCode(monitor::close).doesNotThrowAnyException();
    assertRefused(monitor::start, "build a new one");
    ReconcileMonitor never = monitor().build();
    never.close();
    assertRefused(never::start, "build a new one");
    assertThat(never.look().declarations()).as("who asks is answered all the same").hasSize(3);
  }
}
