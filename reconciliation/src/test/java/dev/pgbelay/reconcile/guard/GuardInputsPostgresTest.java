package dev.pgbelay.reconcile.guard;

import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER_REFERENCE;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What guards say to callers who get them wrong. */
class GuardInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final ParentGuard guard = ParentGuard.exists(ORDER_CUSTOMER_REFERENCE);

  private static ParentGuard over(Table<?> parent, Field<?> column) {
    return ParentGuard.exists(
        Reference.builder("mistaken").child(ORDERS, ORDER_CUSTOMER).parent(parent, column).build());
  }

  private void assertRefused(ParentGuard one, Object key, String... parts) {
    assertThatThrownBy(
            () -> shop.transactions.execute(tx -> one.checkAll(tx, List.of(List.of(key)))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContainingAll(parts);
  }

  @Test
  void keysThatAreNone_areRefusedByName() {
    assertRefused(guard, new byte[] {1}, "'order-customer'", "array");
    assertThatThrownBy(() -> shop.transactions.execute(tx -> guard.check(tx)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContainingAll("'order-customer'", "[id]", "0 values");
    assertThatThrownBy(() -> shop.transactions.execute(tx -> guard.check(tx, 1, 2)))
        .hasMessageContaining("2 values");
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> guard.checkAll(tx, Collections.nCopies(10_001, List.of(1)))))
        .hasMessageContaining("keys")
        .hasMessageContaining("10000");
    assertThatThrownBy(
            () -> shop.transactions.execute(tx -> guard.checkAll(tx, List.of(List.of("one")))))
        .isInstanceOf(DataAccessException.class)
        .hasMessageContaining("reference 'order-customer'")
        .hasStackTraceContaining("invalid input syntax for type bigint");
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> guard.checkAll(tx, List.of(List.of("a\u0000"), List.of("b")))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContainingAll("'order-customer'", "NUL");
  }

  @Test
  void parentsThatAreNotThere_areNamed() {
    assertRefused(over(table(name("nobody")), field(name("id"))), 1, "'mistaken'", "nobody");
    assertRefused(
        over(CUSTOMERS, field(name("number"))), 1, "'mistaken'", "customers", "no column number");
  }

  @Test
  void optionsOutOfRange_areNamed() {
    for (Duration keep : List.of(Duration.ZERO, Duration.ofSeconds(-1), Duration.ofDays(2))) {
      assertThatThrownBy(() -> ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, keep, 10))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("keep");
    }
    assertThatThrownBy(() -> ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofSeconds(1), 0))
        .hasMessageContaining("most");
    assertThatThrownBy(
            () ->
                ParentGuard.cached(
                    ORDER_CUSTOMER_REFERENCE, Duration.ofSeconds(1), 1, Duration.ofHours(1), 1))
        .hasMessageContaining("keepMissing");
    assertThatThrownBy(GuardedInserts::into).hasMessageContaining("no reference was given");
  }

  @Test
  void whatRefersToNothing_isPassed_andForgottenWithoutHarm() {
    assertThatCode(
            () ->
                shop.transactions.execute(
                    tx -> {
                      guard.checkAll(tx, List.of());
                      guard.checkAll(tx, List.of(Collections.singletonList(null)));
                    }))
        .doesNotThrowAnyException();
    ParentGuard cached = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofSeconds(9), 9);
    assertThatCode(
            () -> cached.forget(List.of(Arrays.asList((Object) null), List.of(1, 2), List.of())))
        .doesNotThrowAnyException();
  }

  @Test
  void transactionThatHasEnded_isRefused() throws Exception {
    shop.customers(1);
    Tx[] kept = new Tx[1];
    shop.transactions.execute(tx -> kept[0] = tx);
    assertThatThrownBy(() -> guard.check(kept[0], 1L)).isInstanceOf(PgBelayException.class);
    try (Connection connection = postgres.dataSource().getConnection()) {
      assertThatThrownBy(() -> guard.check(Tx.join(connection), 1L))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("autocommit");
    }
  }

  @Test
  void captureInASchemaWithoutTheTables_saysWhatToInstall() {
    shop.customers(1);
    Declarations rules =
        Declarations.of("1", ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build());
    DeleteCapture elsewhere = DeleteCapture.inSchema(shop.transactions, rules, "nowhere");
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> elsewhere.capture(tx, "order-customer", List.of(List.of(1L)))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContainingAll("captured deletes", "SchemaInstaller", "reconcile");
  }
}
