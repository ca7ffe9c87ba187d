package dev.pgbelay.reconcile.guard;

import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER_REFERENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Children without parents are refused before they are written. */
class ParentGuardPostgresTest {
  private static final Reference LIVING =
      Reference.builder("living")
          .child(ShopFixture.ORDERS, ShopFixture.ORDER_CUSTOMER)
          .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
          .parentWhere(field(name("customers", "deleted_at")).isNull())
          .build();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private void check(ParentGuard guard, @Nullable Object... keys) {
    shop.transactions.execute(
        tx -> guard.checkAll(tx, Arrays.stream(keys).map(Arrays::asList).toList()));
  }

  private static void sql(Connection connection, String text) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  @Test
  void missingParents_areAllNamed_andNullsAreNotAskedFor() {
    shop.customers(5);
    for (ParentGuard guard :
        List.of(
            ParentGuard.exists(ORDER_CUSTOMER_REFERENCE),
            ParentGuard.locked(ORDER_CUSTOMER_REFERENCE),
            ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(1), 100))) {
      assertThatCode(() -> check(guard, 1L, 2L, null, 2L)).doesNotThrowAnyException();
      assertThatThrownBy(() -> check(guard, 1L, 77L, null, 88L, 77L))
          .isInstanceOfSatisfying(
              MissingParentsException.class,
              e -> assertThat(e.missing()).containsExactly(List.of(77L), List.of(88L)))
          .hasMessageContaining("order-customer")
          .hasMessageContaining("77");
    }
  }

  @Test
  void compositeKeysOfAnyText_areAskedForInOneStatement() {
    shop.dsl.execute("create schema if not exists sales");
    shop.dsl.execute(
        "create table sales.acct (tenant numeric(5, 0), code varchar(9), primary key (tenant, code))");
    shop.dsl.execute(
        "insert into sales.acct values (1, 'a,\"b\"{}'), (2, 'NULL'), (3, '123456789')");
    Reference reference =
        Reference.builder("x")
            .child(ShopFixture.ORDERS, field(name("a")), field(name("b")))
            .parent(table(name("sales", "acct")), field(name("tenant")), field(name("code")))
            .build();
    ParentGuard guard = ParentGuard.locked(reference);
    shop.transactions.execute(
        tx -> guard.checkAll(tx, List.of(List.of(1, "a,\"b\"{}"), List.of(2, "NULL"))));
    for (List<Object> longer :
        List.of(List.<Object>of(3, "1234567890"), List.<Object>of(3.2, "123456789"))) {
      assertThatThrownBy(() -> shop.transactions.execute(tx -> guard.checkAll(tx, List.of(longer))))
          .isInstanceOf(MissingParentsException.class);
    }
    assertThatThrownBy(() -> shop.transactions.execute(tx -> guard.check(tx, 2, "a,\"b\"{}")))
        .isInstanceOf(MissingParentsException.class);
    assertThatThrownBy(() -> shop.transactions.execute(tx -> guard.check(tx, 2)))
        .hasMessageContaining("1 values were given");
  }

  @Test
  void parentThatDoesNotCount_isMissing() {
    shop.customers(5);
    shop.dsl.execute("update customers set deleted_at = now() where id = 2");
    assertThatThrownBy(() -> check(ParentGuard.exists(LIVING), 1L, 2L))
        .isInstanceOf(MissingParentsException.class)
        .hasMessageContaining("customers has no row that counts (parentWhere) with");
    assertThatCode(() -> check(ParentGuard.exists(ORDER_CUSTOMER_REFERENCE), 1L, 2L))
        .doesNotThrowAnyException();
  }

  @Test
  void lockedParent_cannotBeDeletedBeforeTheCommit() throws Exception {
    shop.customers(5);
    assertBlocks(ORDER_CUSTOMER_REFERENCE, "delete from customers where id = 3");
  }

  @Test
  void lockedParent_cannotBeSoftDeletedBeforeTheCommit() throws Exception {
    shop.customers(5);
    assertBlocks(LIVING, "update customers set deleted_at = now() where id = 3");
  }

  private void assertBlocks(Reference reference, String delete) throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session child = script.session("child");
      Interleaving.Session parent = script.session("parent");
      child.run(c -> ParentGuard.locked(reference).check(Tx.join(c), 3L));
      Interleaving.Step<Boolean> step =
          parent.start(
              "delete",
              c -> {
                sql(c, delete);
                return true;
              });
      step.awaitBlockedBy(child);
      child.commit();
      assertThat(step.get()).isTrue();
      parent.rollback();
    }
  }

  @Test
  void parentDeletedByAnOpenTransaction_isWaitedForUnderLocked_andMissingThen() throws Exception {
    shop.customers(5);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session parent = script.session("parent");
      Interleaving.Session child = script.session("child");
      parent.run(c -> sql(c, "delete from customers where id = 3"));
      child.run(c -> ParentGuard.exists(ORDER_CUSTOMER_REFERENCE).check(Tx.join(c), 3L));
      Interleaving.Step<Boolean> step =
          child.start(
              "guard",
              c -> {
                ParentGuard.locked(ORDER_CUSTOMER_REFERENCE).check(Tx.join(c), 3L);
                return true;
              });
      step.awaitBlockedBy(parent);
      parent.commit();
      assertThat(step.failure()).isInstanceOf(MissingParentsException.class);
      child.rollback();
    }
  }

  @Test
  void whatIsCached_isNotAskedForAgain_untilItIsForgotten() {
    shop.customers(5);
    ParentGuard guard = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(10), 1_000);
    check(guard, 1L, 2L);
    shop.dsl.execute("delete from customers where id in (1, 2)");
    assertThatCode(() -> check(guard, 1L, 2L)).doesNotThrowAnyException();
    guard.forget(List.of(List.of(1L)));
    assertThatThrownBy(() -> check(guard, 1L, 2L))
        .isInstanceOfSatisfying(
            MissingParentsException.class,
            e -> assertThat(e.missing()).containsExactly(List.of(1L)));
  }

  @Test
  void parentOfATransactionThatIsRolledBack_isNotCached() {
    ParentGuard guard = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(10), 1_000);
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> {
                      tx.dsl().execute("insert into customers values (9, 'n')");
                      guard.check(tx, 9L);
                      throw new IllegalStateException("no");
                    }))
        .hasMessage("no");
    assertThatThrownBy(() -> check(guard, 9L)).isInstanceOf(MissingParentsException.class);
  }

  @Test
  void parentThatIsTakenBackBeforeTheCommit_isNotCached() {
    ParentGuard guard = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(10), 1_000);
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("savepoint before");
          tx.dsl().execute("insert into customers values (9, 'n'), (10, 'n')");
          guard.check(tx, 9L);
          guard.checkAll(tx, List.of(List.of(9L), List.of(10L)));
          tx.dsl().execute("rollback to savepoint before");
          tx.dsl().execute("insert into customers values (11, 'n')");
          guard.check(tx, 11L);
          tx.dsl().execute("delete from customers where id = 11");
        });
    for (long key : new long[] {9, 10, 11}) {
      assertThatThrownBy(() -> check(guard, key)).isInstanceOf(MissingParentsException.class);
    }
  }

  @Test
  void parentThatOthersCommitted_isCached_alsoByATransactionThatHasWritten() {
    ParentGuard guard = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(10), 1_000);
    shop.dsl.execute("insert into customers values (9, 'n'), (10, 'n'), (11, 'n')");
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("insert into lines values (1000, 1, 1)");
          guard.check(tx, 9L);
          guard.checkAll(tx, List.of(List.of(10L), List.of(11L)));
        });
    shop.dsl.execute("delete from customers where id in (9, 10, 11)");
    for (long key : new long[] {9, 10, 11}) {
      assertThatCode(() -> check(guard, key)).doesNotThrowAnyException();
    }
  }

  @Test
  void missingParent_isNotCached() {
    ParentGuard guard = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(10), 1_000);
    assertThatThrownBy(() -> check(guard, 9L)).isInstanceOf(MissingParentsException.class);
    shop.dsl.execute("insert into customers values (9, 'n')");
    assertThatCode(() -> check(guard, 9L)).doesNotThrowAnyException();
  }
}
