package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;

class TransactionsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private final DataSource dataSource = postgres.dataSource();
  private final Transactions transactions = Transactions.of(dataSource);

  @BeforeEach
  void createTable() {
    transactions.execute(
        tx -> tx.dsl().execute("create table account (id int primary key, balance int not null)"));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table account"));
  }

  @Test
  void writingTransaction_isCommittedWithPosition() {
    Commit<Integer> first = transactions.commit(TxOptions.defaults(), tx -> insert(tx, 1));
    Commit<Integer> second = transactions.commit(TxOptions.defaults(), tx -> insert(tx, 2));

    assertThat(first.effect()).isEqualTo(Commit.Effect.WROTE);
    assertThat(first.attempts()).isEqualTo(1);
    CommitPosition earlier = first.position().orElseThrow();
    CommitPosition later = second.position().orElseThrow();
    assertThat(later.covers(earlier)).isTrue();
    assertThat(earlier.covers(later)).isFalse();
    assertThat(later.timeline()).isEqualTo(1);
    assertThat(later.lsnText()).matches("[0-9A-F]+/[0-9A-F]+");
    assertThat(count()).isEqualTo(2);
  }

  @Test
  void readingTransaction_isToldFromWritingOne() {
    Commit<Integer> read = transactions.commit(TxOptions.defaults(), this::countIn);

    assertThat(read.effect()).isEqualTo(Commit.Effect.READ_ONLY);
    assertThat(read.position()).isPresent();
  }

  @Test
  void hookOfARunForItsValue_isToldThePosition() {
    List<Commit<?>> told = new ArrayList<>();
    transactions.execute(
        tx -> {
          tx.dsl().fetch("select pg_current_xact_id()");
          tx.afterCommit(told::add);
        });
    assertThat(told)
        .singleElement()
        .satisfies(
            commit -> {
              assertThat(commit.position()).isPresent();
              assertThat(commit.effect()).isEqualTo(Commit.Effect.WROTE);
            });
  }

  @Test
  void writeInsideCte_countsAsWriting() {
    Commit<Integer> commit =
        transactions.commit(
            TxOptions.defaults(),
            tx ->
                tx.dsl()
                    .fetchSingle(
                        "with w as (insert into account values (9, 9) returning id)"
                            + " select count(*) from w")
                    .get(0, Integer.class));

    assertThat(commit.effect()).isEqualTo(Commit.Effect.WROTE);
  }

  @Test
  void emptyTransaction_commits() {
    Commit<String> commit = transactions.commit(TxOptions.defaults(), tx -> "nothing");

    assertThat(commit.value()).isEqualTo("nothing");
    assertThat(commit.effect()).isEqualTo(Commit.Effect.READ_ONLY);
  }

  @Test
  void exceptionOfTheWork_reachesTheCallerAsItIsAndRollsBack() {
    assertThatThrownBy(
            () ->
                transactions.run(
                    tx -> {
                      insert(tx, 1);
                      throw new IOException("disk");
                    }))
        .isInstanceOf(IOException.class)
        .hasMessage("disk");
    assertThat(count()).isZero();
  }

  @Test
  void commitAfterSwallowedError_isReportedAsAborted() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      insert(tx, 1);
                      try {
                        insert(tx, 1);
                      } catch (DataAccessException swallowed) {
                        assertThat(swallowed.sqlState()).isEqualTo("23505");
                      }
                    }))
        .isInstanceOf(TransactionAbortedException.class)
        .hasMessageContaining("path 'default'")
        .hasStackTraceContaining("duplicate key");
    assertThat(count()).isZero();
  }

  @Test
  void bareCommitAfterSwallowedError_losesTheWriteInSilence() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("insert into account values (1, 1)");
      assertThatThrownBy(() -> statement.execute("insert into account values (1, 1)"))
          .isInstanceOf(SQLException.class);
      statement.execute("COMMIT");
    }
    assertThat(count()).isZero();
  }

  @Test
  void deferredConstraintFailingAtCommit_isKnownToBeRolledBack() {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "alter table account add constraint unique_balance unique (balance)"
                        + " deferrable initially deferred"));

    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      insert(tx, 1);
                      insert(tx, 2);
                    }))
        .isInstanceOfSatisfying(
            TransactionException.class,
            e -> assertThat(e.kind()).isEqualTo(FailureKind.UNIQUE_VIOLATION))
        .hasMessageContaining("at COMMIT");
    assertThat(count()).isZero();
  }

  @Test
  void connection_comesBackCleanToThePool() throws SQLException {
    TxOptions options =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.SERIALIZABLE)
            .readOnly(true)
            .setting("work_mem", "7MB")
            .deadline(Duration.ofSeconds(30))
            .build();
    for (int i = 0; i < 6; i++) {
      transactions.run(options, this::countIn);
    }
    for (int i = 0; i < 6; i++) {
      try (Connection connection = dataSource.getConnection()) {
        assertThat(connection.getAutoCommit()).isTrue();
        assertThat(connection.isReadOnly()).isFalse();
        assertThat(setting(connection, "work_mem")).isNotEqualTo("7MB");
        assertThat(setting(connection, "statement_timeout")).isEqualTo("0");
        assertThat(setting(connection, "transaction_isolation")).isEqualTo("read committed");
        assertThat(setting(connection, "transaction_read_only")).isEqualTo("off");
      }
    }
  }

  @Test
  void options_reachTheServerTogether() throws SQLException {
    TxOptions options =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .readOnly(true)
            .setting("work_mem", "7MB")
            .setting("app.tenant", "it's 7")
            .deadline(Duration.ofSeconds(30))
            .lockTimeout(Duration.ofSeconds(3))
            .build();

    transactions.execute(
        options,
        tx -> {
          Connection connection = tx.connection();
          assertThat(setting(connection, "transaction_isolation")).isEqualTo("repeatable read");
          assertThat(setting(connection, "transaction_read_only")).isEqualTo("on");
          assertThat(setting(connection, "work_mem")).isEqualTo("7MB");
          assertThat(setting(connection, "app.tenant")).isEqualTo("it's 7");
          assertThat(setting(connection, "lock_timeout")).isEqualTo("3s");
          assertThat(setting(connection, "statement_timeout")).matches("29\\d{3}ms|30s");
        });
  }

  @Test
  void resolveOutcome_goesWithAnyNumberOfSettings() {
    for (int settings = 0; settings < 7; settings++) {
      TxOptions.Builder options = TxOptions.builder().resolveOutcome(Duration.ofSeconds(5));
      for (int i = 0; i < settings; i++) {
        options.setting("app.setting" + i, Integer.toString(i));
      }
      assertThat(transactions.commit(options.build(), tx -> 1).effect())
          .isEqualTo(Commit.Effect.WROTE);
      assertThat(
              transactions
                  .commit(options.deadline(Duration.ofSeconds(20)).build(), tx -> 1)
                  .effect())
          .isEqualTo(Commit.Effect.WROTE);
    }
  }

  @Test
  void writeInReadOnlyTransaction_isClassified() {
    assertThatThrownBy(
            () -> transactions.run(TxOptions.builder().readOnly(true).build(), tx -> insert(tx, 1)))
        .isInstanceOf(DataAccessException.class)
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.READ_ONLY));
  }

  @Test
  void nestedRun_isRefusedByName() {
    assertThatThrownBy(
            () ->
                transactions.run(
                    TxOptions.forPath("outer"),
                    tx -> transactions.run(TxOptions.forPath("inner"), this::countIn)))
        .isInstanceOf(TransactionException.class)
        .hasMessageContaining("'inner'")
        .hasMessageContaining("'outer'");
  }

  @Test
  void nestedRun_joinsWhereAsked() {
    TxOptions join = TxOptions.builder().nesting(TxOptions.Nesting.JOIN).build();

    assertThatThrownBy(
            () ->
                transactions.run(
                    tx -> {
                      transactions.run(join, inner -> insert(inner, 1));
                      assertThat(countIn(tx)).isEqualTo(1);
                      throw new IllegalStateException("outer fails");
                    }))
        .hasMessage("outer fails");
    assertThat(count()).isZero();
  }

  @Test
  void jooqTransactionInside_isSavepointAndDropsItsHooks() {
    List<String> seen = new ArrayList<>();
    transactions.execute(
        tx -> {
          insert(tx, 1);
          tx.afterCommit(commit -> seen.add("outer"));
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              inner -> {
                                Tx joined = Tx.join(inner.dsl());
                                assertThat(joined).isSameAs(tx);
                                insert(joined, 2);
                                joined.afterCommit(commit -> seen.add("rolled back"));
                                throw new IllegalStateException("inner");
                              }))
              .hasMessage("inner");
          tx.dsl().transaction(inner -> insert(Tx.join(inner.dsl()), 3));
        });

    assertThat(seen).containsExactly("outer");
    assertThat(count()).isEqualTo(2);
  }

  @Test
  void endingTheTransactionInsideTheWork_isRefused() throws SQLException {
    transactions.execute(
        tx -> {
          Connection connection = tx.connection();
          assertThatThrownBy(connection::commit).isInstanceOf(TransactionException.class);
          assertThatThrownBy(connection::rollback).isInstanceOf(TransactionException.class);
          assertThatThrownBy(connection::close).isInstanceOf(TransactionException.class);
          assertThatThrownBy(() -> connection.setAutoCommit(true))
              .hasMessageContaining("setAutoCommit");
          assertThatThrownBy(() -> connection.setClientInfo("ApplicationName", "stays"))
              .hasMessageContaining("setClientInfo");
          assertThat(connection.unwrap(PGConnection.class)).isNotNull();
        });
  }

  @Test
  void joinInAutocommit_isRefusedByName() throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      assertThatThrownBy(() -> Tx.join(connection)).hasMessageContaining("autocommit");
    }
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    assertThatThrownBy(() -> Tx.join(dsl)).hasMessageContaining("autocommit");
  }

  @Test
  void rollbackToASavepoint_doesNotChangeTheIdOfAJoinedTransaction() throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      Savepoint savepoint = connection.setSavepoint();
      String inside = Tx.join(connection).id();
      connection.rollback(savepoint);
      assertThat(Tx.join(connection).id()).isEqualTo(inside);
      connection.rollback();
      assertThat(Tx.join(connection).id()).isNotEqualTo(inside);
      connection.rollback();
    }
  }

  @Test
  void isOn_tellsItsOwnDataSourceFromOthers() {
    assertThat(transactions.isOn(dataSource)).isTrue();
    try (HikariDataSource other = new HikariDataSource()) {
      assertThat(transactions.isOn(other)).isFalse();
    }
  }

  @Test
  void joinedTransaction_hasOneIdAndIsSeenByRequireNone() throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      Tx first = Tx.join(connection);
      Tx second = Tx.join(DSL.using(connection, SQLDialect.POSTGRES));
      assertThat(first.id()).isEqualTo(second.id());
      assertThatThrownBy(Transactions::requireNone).hasMessageContaining("joined");
      assertThatThrownBy(() -> first.afterCommit(commit -> {}))
          .hasMessageContaining("ownerCallback");
      String ended = first.id();
      connection.commit();
      assertThat(Tx.join(connection).id()).isNotEqualTo(ended);
      connection.rollback();
    }
    Transactions.requireNone();
  }

  @Test
  void requireNone_refusesInsideAndPassesOutside() {
    Transactions.requireNone();
    transactions.execute(
        TxOptions.forPath("checkout"),
        tx -> assertThatThrownBy(Transactions::requireNone).hasMessageContaining("'checkout'"));
    Transactions.requireNone();
  }

  @Test
  void hooks_runAfterCommitOnFreeConnectionAndSurviveEachOther() {
    List<String> seen = new ArrayList<>();
    transactions.execute(
        tx -> {
          insert(tx, 1);
          tx.afterCommit(
              commit -> {
                Transactions.requireNone();
                seen.add("sees " + count() + " " + commit.effect());
              });
          tx.afterCommit(
              commit -> {
                throw new IllegalStateException("hook");
              });
          tx.afterCommit(commit -> seen.add("third"));
          assertThat(seen).isEmpty();
        });

    assertThat(seen).containsExactly("sees 1 WROTE", "third");
  }

  @Test
  void hooks_doNotRunAfterRollback() {
    List<String> seen = new ArrayList<>();
    assertThatThrownBy(
            () ->
                transactions.run(
                    tx -> {
                      tx.afterCommit(commit -> seen.add("never"));
                      throw new IllegalStateException("work");
                    }))
        .hasMessage("work");
    assertThat(seen).isEmpty();
  }

  @Test
  void exhaustedPool_namesThePath() throws SQLException {
    HikariDataSource pool = dataSource.unwrap(HikariDataSource.class);
    pool.setConnectionTimeout(300);
    try (Connection a = dataSource.getConnection();
        Connection b = dataSource.getConnection();
        Connection c = dataSource.getConnection()) {
      assertThat(List.of(a, b, c)).hasSize(3);
      assertThatThrownBy(() -> transactions.run(TxOptions.forPath("report"), this::countIn))
          .isInstanceOfSatisfying(
              TransactionException.class,
              e -> assertThat(e.kind()).isEqualTo(FailureKind.POOL_EXHAUSTED))
          .hasMessageContaining("'report'");
    } finally {
      pool.setConnectionTimeout(30_000);
    }
  }

  @Test
  void fullBulkhead_refusesOneMoreAndLeavesOtherPathsAlone() throws InterruptedException {
    Transactions bounded =
        Transactions.builder(dataSource).bulkhead("export", 1, Duration.ZERO).build();
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
      assertThatThrownBy(() -> bounded.run(TxOptions.forPath("export"), this::countIn))
          .isInstanceOfSatisfying(
              TransactionException.class,
              e -> assertThat(e.kind()).isEqualTo(FailureKind.BULKHEAD_FULL));
      assertThat(bounded.run(TxOptions.forPath("other"), this::countIn)).isZero();
    } finally {
      leave.countDown();
      holder.join();
    }
  }

  @Test
  void deadline_becomesStatementTimeoutAndIsClassified() {
    TxOptions options = TxOptions.builder().deadline(Duration.ofMillis(300)).build();

    assertThatThrownBy(
            () -> transactions.run(options, tx -> tx.dsl().execute("select pg_sleep(20)")))
        .isInstanceOf(DataAccessException.class)
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.STATEMENT_TIMEOUT));
  }

  @Test
  void deadline_isSetAgainWhenLessThanHalfRemains() {
    TxOptions options = TxOptions.builder().deadline(Duration.ofSeconds(4)).build();

    transactions.execute(
        options,
        tx -> {
          tx.dsl().execute("select pg_sleep(2.2)");
          String left =
              tx.dsl()
                  .fetchSingle("select current_setting('statement_timeout')")
                  .get(0, String.class);
          assertThat(Integer.parseInt(left.replace("ms", ""))).isLessThan(2000);
        });
  }

  @Test
  void within_restoresTheTimeoutsOfJoinedTransaction() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("set local statement_timeout = '77s'");
      Tx tx = Tx.join(connection);
      String inside =
          tx.within(Duration.ofSeconds(5), inner -> setting(connection, "statement_timeout"));
      assertThat(inside).matches("5s|4\\d{3}ms");
      assertThat(setting(connection, "statement_timeout")).isEqualTo("77s");
      assertThat(setting(connection, "lock_timeout")).isEqualTo("0");
      connection.rollback();
    }
  }

  @Test
  void statementPastTheTimeOfItsStretch_isStatementTimeout() {
    TxOptions long30 = TxOptions.builder().deadline(Duration.ofSeconds(30)).build();

    assertThatThrownBy(
            () ->
                transactions.run(
                    long30,
                    tx ->
                        tx.within(
                            Duration.ofMillis(200),
                            inner -> inner.dsl().execute("select pg_sleep(20)"))))
        .isInstanceOf(DataAccessException.class)
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.STATEMENT_TIMEOUT));
  }

  @Test
  void transactionEndedBySqlText_isReportedAsUnknownAndRunsNoHooks() {
    List<String> seen = new ArrayList<>();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      tx.afterCommit(commit -> seen.add("never"));
                      insert(tx, 1);
                      tx.dsl().execute("rollback");
                    }))
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("ended its transaction inside the work");
    assertThat(seen).isEmpty();
  }

  @Test
  void hookThatAddsHook_runsIt() {
    List<String> seen = new ArrayList<>();
    transactions.execute(
        tx -> {
          insert(tx, 1);
          tx.afterCommit(commit -> tx.afterCommit(again -> seen.add("added")));
          tx.afterCommit(commit -> seen.add("second"));
        });
    assertThat(seen).containsExactly("second", "added");
  }

  @Test
  void connectionWithForeignTransaction_isRefusedAndLeftAlone() throws SQLException {
    try (Connection shared = dataSource.getConnection()) {
      shared.setAutoCommit(false);
      try (Statement statement = shared.createStatement()) {
        statement.execute("insert into account values (82, 1)");
        Transactions onShared = Transactions.of(new SingleConnection(shared));
        assertThatThrownBy(() -> onShared.run(this::countIn))
            .isInstanceOf(TransactionException.class)
            .hasMessageContaining("already open");
        try (ResultSet row = statement.executeQuery("select count(*) from account")) {
          row.next();
          assertThat(row.getInt(1)).isEqualTo(1);
        }
      }
      shared.rollback();
    }
  }

  @Test
  void serializationFailure_isRetriedAsWhole() throws SQLException {
    transactions.execute(tx -> insert(tx, 1));
    List<Integer> runs = new ArrayList<>();

    Commit<Integer> commit =
        transactions.commit(
            TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build(),
            tx -> {
              runs.add(countIn(tx));
              if (runs.size() == 1) {
                runElsewhere("update account set balance = balance + 1");
              }
              return tx.dsl().execute("update account set balance = balance + 10");
            });

    assertThat(commit.attempts()).isEqualTo(2);
    assertThat(runs).hasSize(2);
  }

  @Test
  void noRetryAfterThis_letsTheFailureOut() {
    transactions.execute(tx -> insert(tx, 1));
    List<Integer> runs = new ArrayList<>();

    assertThatThrownBy(
            () ->
                transactions.commit(
                    TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build(),
                    tx -> {
                      runs.add(countIn(tx));
                      tx.noRetryAfterThis();
                      runElsewhere("update account set balance = balance + 1");
                      return tx.dsl().execute("update account set balance = balance + 10");
                    }))
        .satisfies(
            e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE))
        .satisfies(e -> assertThat(e.getSuppressed()[0]).hasMessageContaining("attempt 1"));
    assertThat(runs).hasSize(1);
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void runElsewhere(String sql) throws SQLException {
    try (Connection other = dataSource.getConnection();
        Statement statement = other.createStatement()) {
      statement.execute(sql);
    }
  }

  private static String setting(Connection connection, String name) throws SQLException {
    try (PreparedStatement ask = connection.prepareStatement("select current_setting(?)")) {
      ask.setString(1, name);
      try (ResultSet row = ask.executeQuery()) {
        row.next();
        return row.getString(1);
      }
    }
  }

  private static int insert(Tx tx, int id) {
    return tx.dsl().execute("insert into account values (?, 100)", id);
  }

  private int countIn(Tx tx) {
    return tx.dsl().fetchSingle("select count(*) from account").get(0, Integer.class);
  }

  private int count() {
    return transactions.run(TxOptions.builder().readOnly(true).build(), this::countIn);
  }
}
