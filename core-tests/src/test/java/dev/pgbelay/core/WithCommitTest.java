package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.internal.WithCommit;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WithCommitTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void create() throws SQLException {
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection
          .createStatement()
          .execute("drop table if exists kept; create table kept (n int primary key)");
    }
  }

  private static WithCommit.Statement insert(int n) {
    return new WithCommit.Statement(
        "insert into kept values (?)", statement -> statement.setInt(1, n));
  }

  private static boolean offer(Tx tx, int n) {
    return WithCommit.offer(tx, insert(n));
  }

  private String kept() {
    return transactions.run(
        tx ->
            tx.dsl()
                .fetchSingle("select coalesce(string_agg(n::text, ',' order by n), '') from kept")
                .get(0, String.class));
  }

  @Test
  void statementGoesWithCommit_alsoWhereThePositionIsAskedForOrNothingElseWasSent() {
    transactions.execute(
        tx -> {
          tx.dsl().execute("insert into kept values (1)");
          assertThat(offer(tx, 2)).isTrue();
        });
    Commit<Boolean> commit = transactions.commit(TxOptions.defaults(), tx -> offer(tx, 3));
    assertThat(commit.effect()).isEqualTo(Commit.Effect.WROTE);
    assertThat(commit.position()).isPresent();
    assertThat(kept()).isEqualTo("1,2,3");
  }

  @Test
  void statementThatFails_keepsTheCommitFromHappening_andSaysWhy() {
    transactions.execute(tx -> tx.dsl().execute("insert into kept values (1)"));
    AtomicInteger runs = new AtomicInteger();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      runs.incrementAndGet();
                      tx.dsl().execute("insert into kept values (2)");
                      offer(tx, 1);
                    }))
        .isInstanceOfSatisfying(
            TransactionException.class,
            e -> assertThat(e.kind()).isEqualTo(FailureKind.UNIQUE_VIOLATION))
        .hasMessageContaining("was rolled back at COMMIT");
    assertThat(runs).as("certain, and the same each time").hasValue(1);
    assertThat(kept()).isEqualTo("1");
  }

  @Test
  void swallowedFailure_isReportedAsAborted_andTheStatementIsNotRun() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      try {
                        tx.dsl().execute("select 1 / 0");
                      } catch (RuntimeException swallowed) {
                        offer(tx, 1);
                      }
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThat(kept()).isEmpty();
  }

  @Test
  void workThatFailsAfterItsOffer_leavesNothing() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      offer(tx, 1);
                      throw new IllegalStateException("late");
                    }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(kept()).isEmpty();
  }

  @Test
  void secondOffer_isRefused() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      offer(tx, 1);
                      offer(tx, 2);
                    }))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void transactionThatSomebodyElseEnds_takesNothingAlong() throws SQLException {
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      assertThat(offer(Tx.join(DSL.using(connection, SQLDialect.POSTGRES)), 1)).isFalse();
      connection.rollback();
      connection.setAutoCommit(true);
    }
  }
}
