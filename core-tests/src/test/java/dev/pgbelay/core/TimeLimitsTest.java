package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.TxOptions.Nesting;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import javax.sql.DataSource;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a deadline, a stretch of a transaction and the return of its work put an end to. */
@ExtendWith(PostgresExtension.class)
@Timeout(60)
class TimeLimitsTest {
  private static final TxOptions JOIN =
      TxOptions.builder().path("inner").nesting(Nesting.JOIN).build();

  private final DataSource dataSource;
  private final Transactions transactions;

  TimeLimitsTest(PostgresDatabase database) {
    this.dataSource = database.dataSource();
    this.transactions = Transactions.of(dataSource);
  }

  private static long millis(DSLContext dsl, String timeout) {
    return dsl.fetchSingle(
            "select extract(epoch from current_setting(?)::interval) * 1000", timeout)
        .get(0, Long.class);
  }

  private static void awaitLeft(Tx tx, long millis) {
    await().pollInSameThread().until(() -> tx.remaining().orElseThrow().toMillis() <= millis);
  }

  private static FailureKind kindOf(ThrowingCallable call) {
    Throwable failure = catchThrowable(call);
    assertThat(failure).isNotNull();
    return Failures.classify(failure);
  }

  @Test
  void runWithLongerDeadlineThatJoinsInsideStretch_isBoundedByTheStretch() {
    TxOptions longer = JOIN.toBuilder().deadline(Duration.ofSeconds(30)).build();
    FailureKind kind =
        kindOf(
            () ->
                transactions.execute(
                    tx ->
                        tx.within(
                            Duration.ofMillis(400),
                            stretch -> {
                              transactions.execute(
                                  longer,
                                  inner -> {
                                    assertThat(inner.remaining().orElseThrow())
                                        .isLessThanOrEqualTo(Duration.ofMillis(400));
                                    assertThat(millis(inner.dsl(), "statement_timeout"))
                                        .isBetween(1L, 400L);
                                    inner.dsl().execute("select pg_sleep(20)");
                                  });
                              return true;
                            })));
    assertThat(kind).isEqualTo(FailureKind.STATEMENT_TIMEOUT);
  }

  @Test
  void statementOfJoinedRunThatWouldBeginPastTheStretch_isRefused() {
    transactions.execute(
        tx -> {
          DSLContext kept = tx.dsl();
          FailureKind kind =
              kindOf(
                  () ->
                      tx.dsl()
                          .transaction(
                              savepoint ->
                                  tx.within(
                                      Duration.ofMillis(50),
                                      stretch -> {
                                        awaitLeft(stretch, 0);
                                        transactions.execute(
                                            JOIN, inner -> inner.dsl().execute("select 1"));
                                        return true;
                                      })));
          assertThat(kind).isEqualTo(FailureKind.DEADLINE_EXCEEDED);
          assertThat(
                  kindOf(
                      () ->
                          tx.within(
                              Duration.ofMillis(50),
                              stretch -> {
                                awaitLeft(stretch, 0);
                                return kept.execute("select 1");
                              })))
              .isEqualTo(FailureKind.DEADLINE_EXCEEDED);
          assertThat(tx.remaining()).isEmpty();
          assertThat(millis(tx.dsl(), "statement_timeout")).isZero();
        });
  }

  @Test
  void longerDeadlineOfTheWholeTransaction_isNotSetAgainInsideStretch() {
    TxOptions whole = TxOptions.builder().path("whole").deadline(Duration.ofSeconds(12)).build();
    transactions.execute(
        whole,
        tx -> {
          awaitLeft(tx, 5_900);
          tx.within(
              Duration.ofSeconds(3),
              stretch -> {
                List<Long> set = new ArrayList<>();
                set.add(millis(tx.dsl(), "statement_timeout"));
                set.add(millis(Tx.join(stretch.dsl()).dsl(), "statement_timeout"));
                set.add(millis(Tx.join(stretch.connection()).dsl(), "statement_timeout"));
                transactions.execute(
                    JOIN, inner -> set.add(millis(inner.dsl(), "statement_timeout")));
                assertThat(set).allMatch(millis -> millis > 0 && millis <= 3_000);
                return assertThat(Tx.join(stretch.dsl()).remaining().orElseThrow())
                    .isLessThanOrEqualTo(Duration.ofSeconds(3));
              });
          assertThat(tx.remaining().orElseThrow()).isGreaterThan(Duration.ofSeconds(3));
          assertThat(millis(tx.dsl(), "statement_timeout")).isBetween(3_001L, 5_900L);
        });
  }

  @Test
  void foreignTransactionJoinedAgainInsideStretch_isBoundedByIt() throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      Tx tx = Tx.join(connection);
      tx.within(
          Duration.ofSeconds(3),
          stretch -> {
            Tx again = Tx.join(DSL.using(connection, SQLDialect.POSTGRES));
            assertThat(again.remaining().orElseThrow()).isLessThanOrEqualTo(Duration.ofSeconds(3));
            again.within(
                Duration.ofSeconds(30),
                longer ->
                    assertThat(millis(longer.dsl(), "statement_timeout")).isBetween(1L, 3_000L));
            awaitLeft(again, 0);
            assertThat(kindOf(() -> again.dsl().execute("select 1")))
                .isEqualTo(FailureKind.DEADLINE_EXCEEDED);
            return true;
          });
      assertThat(tx.remaining()).isEmpty();
      assertThat(millis(tx.dsl(), "statement_timeout")).isZero();
      connection.rollback();
    }
  }

  @Test
  void timeoutsSetAgainUnderASavepointThatIsRolledBack_areSetOnceMore() {
    TxOptions whole = TxOptions.builder().path("whole").deadline(Duration.ofSeconds(3)).build();
    transactions.execute(
        whole,
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              savepoint -> {
                                awaitLeft(tx, 1_400);
                                assertThat(millis(savepoint.dsl(), "statement_timeout"))
                                    .isBetween(1L, 1_400L);
                                throw new IllegalStateException("undone");
                              }))
              .hasMessage("undone");
          assertThat(millis(tx.dsl(), "statement_timeout")).isBetween(1L, 1_400L);
          assertThat(millis(tx.dsl(), "lock_timeout")).isBetween(1L, 1_400L);
        });
  }

  @Test
  void timeoutsOfStretchSetAgainUnderASavepointThatIsRolledBack_areSetOnceMore() {
    DSL.using(dataSource, SQLDialect.POSTGRES)
        .transaction(owner -> loseWhatWasSetAgain(Tx.join(owner.dsl())));
  }

  private static void loseWhatWasSetAgain(Tx tx) {
    tx.within(
        Duration.ofSeconds(2),
        stretch -> {
          assertThatThrownBy(
                  () ->
                      stretch
                          .dsl()
                          .transaction(
                              savepoint -> {
                                awaitLeft(stretch, 900);
                                assertThat(millis(savepoint.dsl(), "statement_timeout"))
                                    .isBetween(1L, 900L);
                                throw new IllegalStateException("undone");
                              }))
              .hasMessage("undone");
          return assertThat(millis(stretch.dsl(), "statement_timeout")).isBetween(1L, 900L);
        });
  }

  @Test
  void stretch_doesNotLengthenTheLockTimeoutOfTheOptions() {
    TxOptions options = TxOptions.builder().lockTimeout(Duration.ofMillis(150)).build();
    transactions.execute(
        options,
        tx ->
            tx.within(
                Duration.ofSeconds(30),
                stretch -> assertThat(millis(stretch.dsl(), "lock_timeout")).isEqualTo(150)));
  }

  @Test
  void callBeforeFullBulkhead_waitsNoLongerThanItsDeadline() throws InterruptedException {
    Transactions bounded =
        Transactions.builder(dataSource).bulkhead("export", 1, Duration.ofSeconds(40)).build();
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch leave = new CountDownLatch(1);
    Thread holder =
        new Thread(
            () ->
                bounded.execute(
                    TxOptions.forPath("export"),
                    tx -> {
                      inside.countDown();
                      awaitUninterrupted(leave);
                    }),
            "holder");
    holder.start();
    inside.await();
    try {
      TxOptions hurried =
          TxOptions.builder().path("export").deadline(Duration.ofMillis(300)).build();
      long start = System.nanoTime();
      assertThat(kindOf(() -> bounded.execute(hurried, tx -> {})))
          .isEqualTo(FailureKind.BULKHEAD_FULL);
      assertThat(Duration.ofNanos(System.nanoTime() - start))
          .isBetween(Duration.ofMillis(300), Duration.ofSeconds(20));
    } finally {
      leave.countDown();
      holder.join();
    }
    bounded.execute(TxOptions.forPath("export"), tx -> {});
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void runThatWouldBeginPastTheDeadline_asksForNoConnection() {
    List<String> asked = new ArrayList<>();
    DataSource watched =
        (DataSource)
            Proxy.newProxyInstance(
                TimeLimitsTest.class.getClassLoader(),
                new Class<?>[] {DataSource.class},
                (proxy, method, args) -> {
                  asked.add(method.getName());
                  return method.invoke(dataSource, args);
                });
    TransactionAttempt<String, RuntimeException> late =
        new TransactionAttempt<>(
            new Object(),
            watched,
            new DefaultConfiguration().set(SQLDialect.POSTGRES),
            TxOptions.forPath("late"),
            Deadline.in(Duration.ZERO),
            2,
            tx -> "never",
            true);
    assertThat(kindOf(late::run)).isEqualTo(FailureKind.DEADLINE_EXCEEDED);
    assertThat(asked).isEmpty();
  }

  @Test
  void txKeptBeyondItsWork_isRefusedAndNotCalledUnknown() throws SQLException {
    List<Tx> kept = new ArrayList<>();
    List<Statement> statements = new ArrayList<>();
    List<String> seen = new ArrayList<>();
    transactions.execute(
        tx -> {
          kept.add(tx);
          statements.add(tx.connection().createStatement());
          tx.dsl().execute("select 1");
          tx.afterCommit(
              commit -> {
                tx.afterCommit(again -> seen.add("added by a hook"));
                assertThat(kindOf(() -> tx.dsl().execute("select 1")))
                    .isEqualTo(FailureKind.MISUSE);
                seen.add("hook");
              });
        });
    assertThat(seen).containsExactly("hook", "added by a hook");
    requireRefused(kept.get(0));
    assertThatThrownBy(() -> statements.get(0).execute("select 1"))
        .isInstanceOf(TransactionException.class)
        .hasMessageContaining("has ended");
  }

  @Test
  void txKeptBeyondWorkThatFailed_isRefusedAsWell() throws SQLException {
    List<Tx> kept = new ArrayList<>();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      kept.add(tx);
                      tx.dsl().execute("select 1");
                      throw new IllegalStateException("mine");
                    }))
        .hasMessage("mine");
    requireRefused(kept.get(0));
  }

  private static void requireRefused(Tx over) throws SQLException {
    List<ThrowingCallable> uses =
        List.of(
            () -> over.dsl().execute("select 1"),
            () -> over.connection().createStatement(),
            () -> over.connection().setSavepoint(),
            () -> over.within(Duration.ofSeconds(5), again -> 1),
            () -> over.afterCommit(commit -> {}));
    for (ThrowingCallable use : uses) {
      assertThatThrownBy(use)
          .isInstanceOfSatisfying(
              TransactionException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.MISUSE))
          .hasMessageContaining("path 'default' has ended");
    }
    assertThat(over.connection().isClosed()).isTrue();
  }
}
