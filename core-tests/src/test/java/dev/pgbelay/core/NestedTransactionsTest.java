package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.TxOptions.Nesting;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** What the failure of an inner run means for the transaction around it. */
@ExtendWith(PostgresExtension.class)
@Timeout(60)
class NestedTransactionsTest {
  private static final TxOptions JOIN =
      TxOptions.builder().path("inner").nesting(Nesting.JOIN).build();
  private static final TxOptions APART =
      TxOptions.builder()
          .path("inner")
          .nesting(Nesting.INDEPENDENT)
          .retry(TxOptions.Retry.none())
          .build();
  private static final String SERIALIZATION = "do $$ begin raise sqlstate '40001'; end $$";

  /** As libraries keep them: one instance, thrown again and again. */
  private final RuntimeException reused = new IllegalStateException("reused");

  private final RuntimeException reusedToo = new IllegalStateException("reused, too");

  private final PostgresDatabase database;
  private final Transactions transactions;

  NestedTransactionsTest(PostgresDatabase database) {
    this.database = database;
    this.transactions = Transactions.of(database.dataSource());
  }

  @BeforeEach
  void makeTable() throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("DROP TABLE IF EXISTS note; CREATE TABLE note (id int PRIMARY KEY)");
    }
  }

  private List<Integer> notes() throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT id FROM note ORDER BY id")) {
      List<Integer> notes = new ArrayList<>();
      while (row.next()) {
        notes.add(row.getInt(1));
      }
      return notes;
    }
  }

  private static void insert(Tx tx, int id) {
    tx.dsl().execute("insert into note values (?)", id);
  }

  private void failInside(TxOptions inner, int id) {
    transactions.execute(
        inner,
        tx -> {
          insert(tx, id);
          throw new IllegalStateException("inner fails");
        });
  }

  @Test
  void failureOfIndependentRun_isNotTakenForTheOuterOnes() {
    AtomicInteger outerRuns = new AtomicInteger();
    AtomicInteger innerRuns = new AtomicInteger();
    Throwable failure =
        catchThrowable(
            () ->
                transactions.execute(
                    tx -> {
                      outerRuns.incrementAndGet();
                      transactions.execute(
                          APART,
                          inner -> {
                            innerRuns.incrementAndGet();
                            inner.dsl().execute(SERIALIZATION);
                          });
                    }));
    assertThat(outerRuns).hasValue(1);
    assertThat(innerRuns).hasValue(1);
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.OTHER);
    assertThat(Failures.sqlState(failure)).contains("40001");
    assertThat(printed(failure))
        .contains("path 'inner', attempt 1: SERIALIZATION_FAILURE")
        .contains("path 'default', attempt 1: OTHER");
  }

  @Test
  void wrappedFailureOfIndependentRun_isNotTakenForTheOuterOnesEither() {
    AtomicInteger outerRuns = new AtomicInteger();
    Throwable failure =
        catchThrowable(
            () ->
                transactions.execute(
                    tx -> {
                      outerRuns.incrementAndGet();
                      try {
                        transactions.execute(APART, inner -> inner.dsl().execute(SERIALIZATION));
                      } catch (RuntimeException e) {
                        throw new IllegalStateException("audit failed", e);
                      }
                    }));
    assertThat(outerRuns).hasValue(1);
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.OTHER);
  }

  @Test
  void failureOfTheOuterRunItself_isRetriedThoughAnInnerOneFailedBefore() throws SQLException {
    AtomicInteger outerRuns = new AtomicInteger();
    transactions.execute(
        tx -> {
          assertThat(catchThrowable(() -> failInside(APART, 1))).hasMessage("inner fails");
          insert(tx, 2);
          if (outerRuns.incrementAndGet() == 1) {
            tx.dsl().execute(SERIALIZATION);
          }
        });
    assertThat(outerRuns).hasValue(2);
    assertThat(notes()).containsExactly(2);
  }

  @Test
  void exceptionThrownAgainAndAgain_keepsTheLastVerdictsAndNoMore() {
    for (int i = 0; i < 200; i++) {
      RuntimeException thrown = i % 2 == 0 ? reused : reusedToo;
      String path = "path-" + i;
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      TxOptions.forPath(path),
                      tx -> {
                        throw thrown;
                      }))
          .isSameAs(thrown);
    }
    assertThat(reused.getSuppressed()).hasSize(1);
    assertThat(reused.getSuppressed()[0])
        .hasMessageContaining("path 'path-198', attempt 1: OTHER")
        .message()
        .hasSizeLessThan(1_000);
  }

  @Test
  void exceptionsThrownInTurnByTheRunsOfOneCall_doNotPileUpOnEachOther() {
    TxOptions retrying =
        TxOptions.builder()
            .retry(
                TxOptions.Retry.defaults()
                    .withMaxAttempts(100)
                    .withPauses(Duration.ofMillis(1), Duration.ofMillis(1))
                    .withKinds(java.util.Set.of(FailureKind.OTHER)))
            .build();
    AtomicInteger runs = new AtomicInteger();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    retrying,
                    tx -> {
                      throw runs.incrementAndGet() % 2 == 0 ? reused : reusedToo;
                    }))
        .isSameAs(reused);
    assertThat(reused.getSuppressed().length).isLessThanOrEqualTo(2);
    assertThat(reusedToo.getSuppressed().length).isLessThanOrEqualTo(2);
  }

  @Test
  void swallowedFailureOfJoinedRun_rollsTheOuterOneBack() throws SQLException {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    TxOptions.forPath("outer"),
                    tx -> {
                      insert(tx, 1);
                      assertThat(catchThrowable(() -> failInside(JOIN, 2)))
                          .hasMessage("inner fails");
                      insert(tx, 3);
                    }))
        .isInstanceOf(TransactionAbortedException.class)
        .hasMessageContaining("path 'outer' swallowed the failure of path 'inner'")
        .hasMessageContaining("tx.dsl().transaction")
        .hasRootCauseMessage("inner fails");
    assertThat(notes()).isEmpty();
  }

  @Test
  void failureOfJoinedRunUnderItsOwnSavepoint_costsThatRunAlone() throws SQLException {
    transactions.execute(
        tx -> {
          insert(tx, 1);
          assertThat(catchThrowable(() -> tx.dsl().transaction(savepoint -> failInside(JOIN, 2))))
              .hasMessage("inner fails");
        });
    transactions.execute(
        tx -> {
          Savepoint before = tx.connection().setSavepoint();
          assertThat(catchThrowable(() -> failInside(JOIN, 3))).hasMessage("inner fails");
          tx.connection().rollback(before);
          insert(tx, 4);
        });
    assertThat(notes()).containsExactly(1, 4);
  }

  @Test
  void savepointSetAfterTheFailure_doesNotUndoIt() throws SQLException {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      assertThat(catchThrowable(() -> failInside(JOIN, 1))).isNotNull();
                      Savepoint late = tx.connection().setSavepoint();
                      tx.connection().rollback(late);
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThat(notes()).isEmpty();
  }

  @Test
  void hookUnderJdbcSavepoint_isForgottenWithIt() throws SQLException {
    List<String> seen = new ArrayList<>();
    transactions.execute(
        tx -> {
          tx.afterCommit(commit -> seen.add("before"));
          Savepoint savepoint = tx.connection().setSavepoint("s");
          tx.afterCommit(commit -> seen.add("never"));
          tx.connection().rollback(savepoint);
          tx.connection().releaseSavepoint(savepoint);
          tx.afterCommit(commit -> seen.add("after"));
        });
    assertThat(seen).containsExactly("before", "after");
  }

  @Test
  void independentRunInsideItsOwnFullBulkhead_isRefusedAtOnceWithTheRemedy() {
    Transactions bounded =
        Transactions.builder(database.dataSource())
            .bulkhead("export", 1, Duration.ofSeconds(40))
            .build();
    TxOptions inner = TxOptions.builder().path("export").nesting(Nesting.INDEPENDENT).build();
    TxOptions elsewhere = inner.toBuilder().path("export-log").build();

    bounded.execute(
        TxOptions.forPath("export"),
        tx -> {
          long start = System.nanoTime();
          assertThatThrownBy(() -> bounded.execute(inner, apart -> insert(apart, 1)))
              .isInstanceOfSatisfying(
                  TransactionException.class,
                  e -> assertThat(e.kind()).isEqualTo(FailureKind.BULKHEAD_FULL))
              .hasMessageContaining("path 'export'")
              .hasMessageContaining("waits for itself")
              .hasMessageContaining("a path of its own");
          assertThat(Duration.ofNanos(System.nanoTime() - start))
              .isLessThan(Duration.ofSeconds(20));
          bounded.execute(elsewhere, apart -> insert(apart, 2));
        });
    bounded.execute(TxOptions.forPath("export"), tx -> insert(tx, 3));
  }

  @Test
  void independentRunThatFindsNoConnection_namesTheTransactionThatHoldsOne() {
    try (HikariDataSource one = Pools.pool(database.jdbcUrl(), 1)) {
      one.setConnectionTimeout(300);
      Transactions narrow = Transactions.of(one);
      narrow.execute(
          TxOptions.forPath("outer"),
          tx ->
              assertThatThrownBy(() -> narrow.execute(APART, apart -> insert(apart, 1)))
                  .isInstanceOfSatisfying(
                      TransactionException.class,
                      e -> assertThat(e.kind()).isEqualTo(FailureKind.POOL_EXHAUSTED))
                  .hasMessageContaining("path 'inner'")
                  .hasMessageContaining("open transaction of path 'outer'"));
    }
  }

  private static String printed(Throwable failure) {
    StringWriter text = new StringWriter();
    failure.printStackTrace(new PrintWriter(text));
    return text.toString();
  }
}
