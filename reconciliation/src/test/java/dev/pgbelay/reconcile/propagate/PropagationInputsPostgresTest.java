package dev.pgbelay.reconcile.propagate;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Refused;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What capture and propagation say to callers who get them wrong, before they write anything. */
class PropagationInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Declarations RULES =
      Declarations.of("1", ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build());

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final Propagation propagation = propagation().build();
  private final DeleteCapture capture = DeleteCapture.of(shop.transactions, RULES);

  private Propagation.Builder propagation() {
    return Propagation.builder(shop.transactions, RULES);
  }

  private void captured(List<?> key) {
    shop.transactions.execute(
        tx -> capture.capture(tx, "order-customer", Collections.singletonList(key)));
  }

  @Test
  void numbersOutOfRange_areRefusedByName() {
    Map<String, BiFunction<Propagation.Builder, Integer, Propagation.Builder>> options =
        Map.of(
            "chunk", Propagation.Builder::chunk,
            "confirmAbove", Propagation.Builder::confirmAbove,
            "countAtMost", Propagation.Builder::countAtMost,
            "rowsPerSecond", Propagation.Builder::rowsPerSecond,
            "dutyPercent", Propagation.Builder::dutyPercent);
    options.forEach(
        (name, option) -> {
          for (int bad : new int[] {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            assertRefused(() -> option.apply(propagation(), bad), name + " must be between");
          }
        });
    for (Duration bad : List.of(Duration.ofNanos(-1), Duration.ofSeconds(Long.MAX_VALUE))) {
      assertRefused(() -> propagation().pause(bad), "pause");
      assertRefused(() -> propagation().chunkTimeout(bad), "chunkTimeout");
      assertRefused(() -> propagation().lockTimeout(bad), "lockTimeout");
    }
    assertRefused(() -> propagation.open(0), "most");
    assertRefused(() -> propagation.open(10_001), "most");
    assertRefused(() -> Propagation.builder(nothing(), RULES), "transactions");
    assertRefused(() -> Propagation.builder(shop.transactions, nothing()), "declarations");
    assertRefused(() -> DeleteCapture.of(nothing(), RULES), "transactions");
    assertRefused(() -> DeleteCapture.of(shop.transactions, nothing()), "declarations");
    assertRefused(() -> DeleteCapture.inSchema(shop.transactions, RULES, " "), "schema");
    assertRefused(() -> propagation.loop("Deletes"), "name", "Deletes");
  }

  /** Taken for text, it would be that of another key, or of none, and nobody would be told. */
  @Test
  void keysThatHaveNoText_areRefusedByPlansAndCaptures() {
    assertRefused(() -> propagation.plan("order-customer"), "1 columns, 0 values");
    assertRefused(() -> propagation.plan("order-customer", 1, 2), "2 values");
    assertRefused(() -> propagation.plan("order-customer", (Object[]) nothing()), "key");
    assertRefused(
        () -> propagation.plan("order-customer", Refused.<Object>nothing()),
        "'order-customer'",
        "null");
    assertRefused(
        () -> propagation.plan("order-customer", new byte[] {1}), "an array (byte[])", "bytea");
    assertRefused(() -> propagation.plan("order-costumer", 1), "'order-costumer'");
    assertRefused(() -> captured(List.of()), "'order-customer'", "0 values");
    assertRefused(() -> captured(List.of(1, 2)), "2 values");
    assertRefused(() -> captured(List.of(new byte[] {1})), "'order-customer'", "an array (byte[])");
    assertRefused(() -> captured(List.of("7\u0000")), "'order-customer'", "NUL");
    assertRefused(() -> captured(nothing()), "'order-customer'");
    captured(Arrays.asList(Refused.<Object>nothing()));
    assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isZero();
  }

  @Test
  void capturesWithoutAReferenceOrATransaction_areRefused() {
    assertRefused(
        () -> shop.transactions.execute(tx -> capture.capture(tx, "nobody", List.of(List.of(1)))),
        "'nobody'");
    assertRefused(
        () -> shop.transactions.execute(tx -> capture.capture(tx, "order-customer", nothing())),
        "keys");
    assertRefused(
        () -> capture.capture(nothing(), "order-customer", List.of(List.of(1))), "transaction");
    Tx[] kept = new Tx[1];
    shop.transactions.execute(tx -> kept[0] = tx);
    assertRefused(() -> capture.capture(kept[0], "order-customer", List.of(List.of(1))), "ended");
    assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isZero();
  }

  @Test
  void deletesThatAreNotThere_cannotBeConfirmed() {
    for (long bad : new long[] {0, -1, Long.MAX_VALUE}) {
      assertRefused(() -> propagation.confirm(bad), "captured delete " + bad, "is not there");
    }
  }

  @Test
  void schemaWithoutTables_saysWhatToInstall() {
    Propagation elsewhere = propagation().schema("nowhere").build();
    assertRefused(elsewhere::runOnce, "captured deletes", "SchemaInstaller", "reconcile");
    assertRefused(elsewhere::backlog, "captured deletes", "SchemaInstaller");
    assertRefused(() -> elsewhere.open(1), "captured deletes", "SchemaInstaller");
    assertRefused(() -> elsewhere.confirm(1), "captured deletes", "SchemaInstaller");
  }
}
