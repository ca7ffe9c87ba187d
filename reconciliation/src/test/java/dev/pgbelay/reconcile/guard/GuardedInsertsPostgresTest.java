package dev.pgbelay.reconcile.guard;

import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER_REFERENCE;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_ID;
import static dev.pgbelay.reconcile.ShopFixture.STATUS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.excluded;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.Map;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Writes of children whose parents were not asked for are refused before they are sent. */
class GuardedInsertsPostgresTest {
  private static final SentStatements SENT = new SentStatements();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withObserver(SENT);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final Transactions strict =
      Transactions.builder(postgres.dataSource())
          .configuration(
              new DefaultConfiguration()
                  .set(SQLDialect.POSTGRES)
                  .set(GuardedInserts.into(ORDER_CUSTOMER_REFERENCE)))
          .build();
  private final ParentGuard guard = ParentGuard.exists(ORDER_CUSTOMER_REFERENCE);

  @BeforeEach
  void fill() {
    shop.customers(5);
  }

  /** A statement that writes customer 3 into orders. */
  @FunctionalInterface
  interface Write {
    void run(DSLContext dsl);
  }

  static Map<String, Write> byKey() {
    return Map.of(
        "insert",
            dsl -> dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER).values(100L, 3L).execute(),
        "set", dsl -> dsl.insertInto(ORDERS).set(ORDER_ID, 100L).set(ORDER_CUSTOMER, 3L).execute(),
        "returning",
            dsl ->
                dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER)
                    .values(100L, 3L)
                    .returning(ORDER_ID)
                    .fetch(),
        "query",
            dsl -> {
              var insert = dsl.insertQuery(ORDERS);
              insert.addValue(ORDER_ID, 100L);
              insert.addValue(ORDER_CUSTOMER, 3L);
              insert.execute();
            },
        "upsert",
            dsl ->
                dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER)
                    .values(1L, 3L)
                    .onConflict(ORDER_ID)
                    .doUpdate()
                    .set(ORDER_CUSTOMER, excluded(ORDER_CUSTOMER))
                    .execute(),
        "upsert of another",
            dsl ->
                dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER)
                    .values(1L, (Long) null)
                    .onConflict(ORDER_ID)
                    .doUpdate()
                    .set(ORDER_CUSTOMER, 3L)
                    .execute(),
        "update",
            dsl -> dsl.update(ORDERS).set(ORDER_CUSTOMER, 3L).where(ORDER_ID.eq(1L)).execute(),
        "update by alias",
            dsl ->
                dsl.update(ORDERS.as("o"))
                    .set(DSL.field(DSL.name("customer_id"), Long.class), 3L)
                    .where(DSL.field(DSL.name("o", "id"), Long.class).eq(1L))
                    .execute(),
        "update returning",
            dsl ->
                dsl.update(ORDERS)
                    .set(ORDER_CUSTOMER, 3L)
                    .where(ORDER_ID.eq(1L))
                    .returning(ORDER_ID)
                    .fetch(),
        "batch of statements",
            dsl ->
                dsl.batch(
                        dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER).values(100L, 3L),
                        dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER).values(101L, 3L))
                    .execute());
  }

  static Map<String, Write> byTable() {
    return Map.of(
        "select",
            dsl ->
                dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER)
                    .select(
                        select(val(100L), CUSTOMER_ID).from(CUSTOMERS).where(CUSTOMER_ID.eq(3L)))
                    .execute(),
        "expression",
            dsl ->
                dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER)
                    .values(val(100L), val(1L).add(2L))
                    .execute(),
        "bound batch",
            dsl ->
                dsl.batch(
                        dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER)
                            .values((Long) null, (Long) null))
                    .bind(100L, 3L)
                    .bind(101L, 3L)
                    .execute(),
        "merge",
            dsl ->
                dsl.mergeInto(ORDERS)
                    .using(CUSTOMERS)
                    .on(ORDER_ID.eq(CUSTOMER_ID.add(100L)))
                    .whenNotMatchedThenInsert(ORDER_ID, ORDER_CUSTOMER)
                    .values(CUSTOMER_ID.add(100L), CUSTOMER_ID)
                    .execute());
  }

  static List<String> namesByKey() {
    return byKey().keySet().stream().sorted().toList();
  }

  static List<String> namesByTable() {
    return byTable().keySet().stream().sorted().toList();
  }

  private void assertRefused(Write write, Long... checked) {
    List<Object> before = orders();
    assertThatThrownBy(
            () ->
                strict.execute(
                    tx -> {
                      for (Long key : checked) {
                        guard.check(tx, key);
                      }
                      write.run(tx.dsl());
                    }))
        .hasStackTraceContaining(UncheckedParentsException.class.getName())
        .hasStackTraceContaining("order-customer");
    assertThat(orders()).isEqualTo(before);
  }

  private List<Object> orders() {
    return List.of(shop.dsl.fetch("select * from orders order by id").format());
  }

  private void assertPasses(Write write, Long... checked) {
    strict.execute(
        tx -> {
          for (Long key : checked) {
            guard.check(tx, key);
          }
          write.run(tx.dsl());
        });
  }

  @ParameterizedTest
  @MethodSource("namesByKey")
  void writeWithItsKey_needsThatKeyChecked(String name) {
    Write write = java.util.Objects.requireNonNull(byKey().get(name));
    assertRefused(write);
    assertRefused(write, 2L);
    assertPasses(write, 2L, 3L);
  }

  @ParameterizedTest
  @MethodSource("namesByTable")
  void writeWhoseKeysCannotBeSeen_needsAnyCheckOfTheReference(String name) {
    Write write = java.util.Objects.requireNonNull(byTable().get(name));
    assertRefused(write);
    assertPasses(write, 2L);
  }

  @Test
  void whatRefersToNothing_orWritesOtherColumns_needsNoCheck() {
    assertPasses(
        dsl ->
            dsl.insertInto(ORDERS, ORDER_ID, ORDER_CUSTOMER).values(100L, (Long) null).execute());
    assertPasses(dsl -> dsl.insertInto(ORDERS, ORDER_ID).values(101L).execute());
    assertPasses(dsl -> dsl.update(ORDERS).set(STATUS, "paid").execute());
    assertPasses(dsl -> dsl.update(ORDERS).setNull(ORDER_CUSTOMER).execute());
    assertPasses(dsl -> dsl.insertInto(CUSTOMERS, CUSTOMER_ID).values(50L).execute());
  }

  @Test
  void checkOfAnotherTransaction_orOfAnUndoneSavepoint_doesNotCount() {
    strict.execute(tx -> guard.check(tx, 3L));
    Write insert = java.util.Objects.requireNonNull(byKey().get("insert"));
    assertRefused(insert);
    assertThatThrownBy(
            () ->
                strict.execute(
                    tx -> {
                      try {
                        tx.dsl()
                            .transaction(
                                nested -> {
                                  guard.check(Tx.join(nested.dsl()), 3L);
                                  throw new IllegalStateException("undone");
                                });
                      } catch (IllegalStateException undone) {
                        insert.run(tx.dsl());
                      }
                    }))
        .hasStackTraceContaining(UncheckedParentsException.class.getName());
  }

  @Test
  void transactionOfSomebodyElse_isRefused_andPlainSqlIsNotSeen() {
    DSLContext dsl =
        DSL.using(
            new DefaultConfiguration()
                .set(SQLDialect.POSTGRES)
                .set(postgres.dataSource())
                .set(GuardedInserts.into(ORDER_CUSTOMER_REFERENCE)));
    assertThatThrownBy(() -> java.util.Objects.requireNonNull(byKey().get("insert")).run(dsl))
        .hasStackTraceContaining("outside a transaction of Transactions");
    assertThatCode(() -> dsl.execute("insert into orders values (200, 3)"))
        .doesNotThrowAnyException();
  }

  @Test
  void checkAndInsert_areTwoStatements_andTheListenerSendsNone() {
    assertPasses(dsl -> {}, 1L);
    SENT.clear();
    assertPasses(java.util.Objects.requireNonNull(byKey().get("insert")), 3L);
    assertThat(SENT.with("FROM \"customers\"")).hasSize(1);
    assertThat(SENT.all().stream().filter(sql -> sql.startsWith("insert into")).toList())
        .hasSize(1);
    assertThat(
            SENT.all().stream()
                .filter(sql -> !sql.toLowerCase(java.util.Locale.ROOT).contains("commit"))
                .toList())
        .as("%s", SENT.all())
        .hasSizeLessThanOrEqualTo(3);
  }
}
