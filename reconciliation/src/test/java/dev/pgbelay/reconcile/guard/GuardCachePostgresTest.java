package dev.pgbelay.reconcile.guard;

import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER_REFERENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a cached guard remembers, shares and forgets. */
class GuardCachePostgresTest {
  private static final SentStatements SENT = new SentStatements();
  private static final Duration LONG = Duration.ofMinutes(10);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withObserver(SENT);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final ParentGuard guard = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, LONG, 1_000, LONG);

  @BeforeEach
  void fill() {
    shop.customers(9);
    check(guard, 9L);
    SENT.clear();
  }

  private void check(ParentGuard one, Object... keys) {
    shop.transactions.execute(tx -> one.checkAll(tx, Arrays.stream(keys).map(List::of).toList()));
  }

  private void assertMissing(ParentGuard one, Object key) {
    assertThatThrownBy(() -> check(one, key)).isInstanceOf(MissingParentsException.class);
  }

  private static List<String> questions() {
    return SENT.with("transaction_isolation");
  }

  private static void sql(Connection connection, String text) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  @Test
  void onlyMissesAreAskedFor_allInOneStatement_andNothingForWhatIsKnown() {
    check(guard, 1L, 2L);
    assertThat(questions()).hasSize(1);
    check(guard, 2L, 3L, 4L, 1L);
    assertThat(questions()).hasSize(2);
    SENT.clear();
    check(guard, 1L, 2L, 3L, 4L);
    assertThat(questions()).isEmpty();
  }

  @Test
  void threadsThatMissTheSameKeyAtOnce_shareOneStatement() throws Exception {
    ExecutorService threads =
        Executors.newFixedThreadPool(4, each -> new Thread(each, "sharing one statement"));
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session blocker = script.session("blocker");
      Interleaving.Session first = script.session("first");
      blocker.run(c -> sql(c, "lock table customers in access exclusive mode"));
      Interleaving.Step<Boolean> asking =
          first.start(
              "ask",
              c -> {
                guard.check(Tx.join(c), 3L);
                return true;
              });
      asking.awaitBlockedBy(blocker);
      List<Future<?>> others = new ArrayList<>();
      for (int k = 0; k < 4; k++) {
        others.add(threads.submit(() -> check(guard, 3L)));
      }
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () ->
                  Thread.getAllStackTraces().entrySet().stream()
                          .filter(of -> of.getKey().getName().equals("sharing one statement"))
                          .filter(
                              of ->
                                  Arrays.stream(of.getValue())
                                      .anyMatch(
                                          frame -> frame.getMethodName().equals("awaitOthers")))
                          .count()
                      == 4);
      blocker.rollback();
      assertThat(asking.get()).isTrue();
      for (Future<?> other : others) {
        other.get(1, TimeUnit.MINUTES);
      }
      assertThat(questions()).hasSize(1);
      first.rollback();
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void parentThatOnlyTheAskingTransactionSees_isNobodyElsesAnswer() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      writer.run(
          c -> {
            sql(c, "insert into customers values (77, 'n')");
            guard.check(Tx.join(c), 77L);
          });
      assertMissing(guard, 77L);
      writer.rollback();
    }
    assertMissing(guard, 77L);
  }

  @Test
  void answerThatIsOlderThanTheNews_isNotRemembered() {
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("insert into customers values (88, 'n')");
          guard.check(tx, 3L);
          shop.dsl.execute("delete from customers where id = 3");
          guard.forget(List.of(List.of(3L)));
        });
    assertMissing(guard, 3L);
  }

  @Test
  void answerFromAnOldSnapshot_isNotRemembered() {
    Transactions.of(postgres.dataSource())
        .execute(
            TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build(),
            tx -> {
              tx.dsl().fetch("select 1 from customers limit 1");
              shop.dsl.execute("delete from customers where id = 3");
              guard.forget(List.of(List.of(3L)));
              assertThatCode(() -> guard.check(tx, 3L)).doesNotThrowAnyException();
            });
    assertMissing(guard, 3L);
  }

  @Test
  void missingParent_isRememberedIfWanted_untilItIsForgotten() {
    ParentGuard both =
        ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, LONG, 10, Duration.ofMinutes(1), 10);
    assertMissing(both, 99L);
    SENT.clear();
    assertMissing(both, 99L);
    assertThat(questions()).isEmpty();
    shop.dsl.execute("insert into customers values (99, 'n')");
    assertMissing(both, 99L);
    both.forget(List.of(List.of(99L)));
    check(both, 99L);
  }

  @Test
  void missingParentOfATransactionThatDeletedIt_isNotRemembered() {
    ParentGuard both =
        ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, LONG, 10, Duration.ofMinutes(1), 10);
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> {
                      tx.dsl().execute("delete from customers where id = 4");
                      both.check(tx, 4L);
                    }))
        .isInstanceOf(MissingParentsException.class);
    assertThatCode(() -> check(both, 4L)).doesNotThrowAnyException();
  }

  @Test
  void keyInAnotherSpelling_isAskedForEachTime() {
    shop.dsl.execute("drop table if exists price");
    shop.dsl.execute("create table price (id numeric primary key)");
    shop.dsl.execute("insert into price values (1), (2)");
    ParentGuard prices =
        ParentGuard.cached(
            Reference.builder("price")
                .child(ShopFixture.ORDERS, ShopFixture.TOTAL)
                .parent(table(name("price")), field(name("id")))
                .build(),
            LONG,
            10);
    for (int k = 0; k < 2; k++) {
      check(prices, new BigDecimal("1.0"));
      check(prices, new BigDecimal("2"));
    }
    assertThat(questions()).hasSize(3);
  }

  @Test
  void questionThatWaitsForALockOfTheOneWhoWaitsForIt_doesNotStandStill() throws Exception {
    ParentGuard short_ =
        ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, LONG, 10, Duration.ofMillis(50));
    check(short_, 9L);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session asker = script.session("asker");
      holder.run(c -> sql(c, "lock table customers in access exclusive mode"));
      Interleaving.Step<Boolean> asking =
          asker.start(
              "ask",
              c -> {
                short_.check(Tx.join(c), 5L);
                return true;
              });
      asking.awaitBlockedBy(holder);
      holder.run(c -> short_.check(Tx.join(c), 5L));
      holder.commit();
      assertThat(asking.get()).isTrue();
      asker.rollback();
    }
  }

  @Test
  void propagationTellsGuards_hereAndInOtherProcesses() {
    Declarations declarations =
        Declarations.of("1", ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build());
    ParentGuard elsewhere =
        ParentGuard.cached(declarations.references().get(0), LONG, 1_000, Duration.ofSeconds(1));
    try (WakeUps ours = connectedOnce();
        WakeUps theirs = connectedOnce()) {
      theirs.start();
      ours.start();
      DeletedParents here = DeletedParents.over(ours);
      here.add(guard);
      DeletedParents there = DeletedParents.over(theirs);
      there.add(elsewhere);
      Awaitility.await()
          .atMost(Duration.ofMinutes(2))
          .until(() -> theirs.isHealthy() && ours.isHealthy());
      DeleteCapture.of(shop.transactions, declarations).install();
      shop.transactions.execute(tx -> guard.check(tx, 3L));
      shop.transactions.execute(tx -> elsewhere.check(tx, 3L));
      shop.dsl.execute("delete from customers where id = 3");
      assertThatCode(() -> check(guard, 3L)).as("not told yet").doesNotThrowAnyException();
      Propagation worker = Propagation.builder(shop.transactions, declarations).tells(here).build();
      assertThat(worker.runOnce().work()).isEqualTo(1);
      assertMissing(guard, 3L);
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .untilAsserted(() -> assertMissing(elsewhere, 3L));
    } finally {
      DeleteCapture.of(shop.transactions, declarations).uninstall();
    }
  }

  /** A probe that a busy machine is late with would connect anew, which forgets everything. */
  private static WakeUps connectedOnce() {
    return WakeUps.builder(postgres.dataSource())
        .probeInterval(Duration.ofMinutes(5))
        .probeTimeout(Duration.ofMinutes(1))
        .build();
  }
}
