package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.FaultProxy.Direction;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A statement that is a transaction by itself: one message, and an honest answer. */
@ExtendWith(PostgresExtension.class)
@Timeout(120)
class LoneStatementPostgresTest {
  private static final String INSERT = "insert into note (text) values (?) returning id";
  private static final TxOptions OPTIONS = TxOptions.forPath("note");

  private final PostgresDatabase database;
  private final Transactions transactions;

  LoneStatementPostgresTest(PostgresDatabase database) {
    this.database = database;
    this.transactions = Transactions.of(database.dataSource());
  }

  @BeforeEach
  void makeTable() throws SQLException {
    execute(
        "drop table if exists note;"
            + " create table note (id int generated always as identity, text text unique)");
  }

  private void execute(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private int notes() throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("select count(*) from note")) {
      row.next();
      return row.getInt(1);
    }
  }

  private static int id(PreparedStatement executed) throws SQLException {
    try (ResultSet row = executed.getResultSet()) {
      row.next();
      return row.getInt(1);
    }
  }

  private static int insert(Transactions on, String text) throws SQLException {
    return on.runStatement(
        OPTIONS, INSERT, statement -> statement.setString(1, text), LoneStatementPostgresTest::id);
  }

  private static Commit<Integer> commit(Transactions on, String text) throws SQLException {
    return on.commitStatement(
        OPTIONS, INSERT, statement -> statement.setString(1, text), LoneStatementPostgresTest::id);
  }

  private static HikariDataSource pool(String url, boolean autoCommit) {
    HikariConfig config = Pools.config(1);
    config.setJdbcUrl(url);
    config.setAutoCommit(autoCommit);
    return new HikariDataSource(config);
  }

  /** An ordinary one is counted as three: the driver's BEGIN does not wait for its answer. */
  @Test
  void statementAlone_isOneRoundTripWithAndWithoutThePosition() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(database.cluster().primary());
        HikariDataSource pool = pool(proxy.jdbcUrl(database.name()), true)) {
      Transactions counted = Transactions.of(pool);
      commit(counted, "the first one looks at the node");
      long before = proxy.counters().roundTrips();
      insert(counted, "value");
      assertThat(proxy.counters().roundTrips() - before).isEqualTo(1);
      assertThat(commit(counted, "position").position()).isPresent();
      assertThat(proxy.counters().roundTrips() - before).isEqualTo(2);
    }
    assertThat(notes()).isEqualTo(3);
  }

  /** One message, one transaction, and the later ones know what the first has set. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void severalStatements_areOneMessageAndOneTransaction(boolean autoCommit) throws Exception {
    String both =
        "select set_config('pgbelay.test', ?, true);"
            + " insert into note (text) values (current_setting('pgbelay.test')) returning id";
    String failing = both + "; select 1 / (length(current_setting('pgbelay.test')) - 3)";
    TxWork.Reading<Integer> second =
        statement -> {
          statement.getMoreResults();
          return id(statement);
        };
    try (FaultProxy proxy = FaultProxy.inFrontOf(database.cluster().primary());
        HikariDataSource pool = pool(proxy.jdbcUrl(database.name()), autoCommit)) {
      Transactions on = Transactions.of(pool);
      commit(on, "the first one looks at the node");
      long before = proxy.counters().roundTrips();
      Commit<Integer> commit =
          on.commitStatement(OPTIONS, both, statement -> statement.setString(1, "one"), second);
      if (autoCommit) {
        assertThat(proxy.counters().roundTrips() - before).isEqualTo(1);
      }
      assertThat(commit.position()).isPresent();
      assertThat(commit.value()).isEqualTo(2);
      assertThat(
              on.<Integer>runStatement(
                  OPTIONS, both, statement -> statement.setString(1, "other"), second))
          .isEqualTo(3);
      assertThatThrownBy(
              () ->
                  on.commitStatement(
                      OPTIONS, failing, statement -> statement.setString(1, "bad"), second))
          .hasMessageContaining("division by zero");
      assertThatThrownBy(
              () ->
                  on.<Integer>runStatement(
                      OPTIONS, failing, statement -> statement.setString(1, "bad"), second))
          .hasMessageContaining("division by zero");
    }
    assertThat(notes()).isEqualTo(3);
  }

  @Test
  void poolOutsideAutocommit_isServedAndKeepsItsMode() throws Exception {
    try (HikariDataSource pool = pool(database.jdbcUrl(), false)) {
      Transactions on = Transactions.of(pool);
      insert(on, "value");
      assertThat(commit(on, "position").position()).isPresent();
      try (Connection given = pool.getConnection()) {
        assertThat(given.getAutoCommit()).isFalse();
      }
    }
    assertThat(notes()).isEqualTo(2);
  }

  @Test
  void position_isBehindTheCommit() throws SQLException {
    CommitPosition first = commit(transactions, "a").position().orElseThrow();
    CommitPosition second = commit(transactions, "b").position().orElseThrow();
    assertThat(second.lsn()).isGreaterThan(first.lsn());
    CommitPosition read =
        transactions
            .commit(TxOptions.defaults(), tx -> tx.dsl().fetch("select 1"))
            .position()
            .orElseThrow();
    assertThat(read.lsn()).isGreaterThanOrEqualTo(second.lsn());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void statementThatTheServerRefuses_isUndoneAndLeavesACleanConnection(boolean autoCommit)
      throws SQLException {
    try (HikariDataSource pool = pool(database.jdbcUrl(), autoCommit)) {
      Transactions on = Transactions.of(pool);
      insert(on, "taken");
      for (int i = 0; i < 3; i++) {
        assertThatThrownBy(() -> insert(on, "taken"))
            .isInstanceOf(SQLException.class)
            .satisfies(
                e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.UNIQUE_VIOLATION));
        assertThatThrownBy(() -> commit(on, "taken"))
            .satisfies(
                e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.UNIQUE_VIOLATION));
      }
      insert(on, "free");
    }
    assertThat(notes()).isEqualTo(2);
  }

  @Test
  void answerLost_isUnknownAndNotTriedAgain() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(database.cluster().primary());
        HikariDataSource pool = pool(proxy.jdbcUrl(database.name()), true)) {
      Transactions cut = Transactions.of(pool);
      insert(cut, "connected");
      proxy.cutAfterBytes(Direction.TO_CLIENT, 0);
      assertThatThrownBy(() -> insert(cut, "committed"))
          .isInstanceOf(OutcomeUnknownException.class);
      assertThat(notes()).as("it was committed, and nobody heard").isEqualTo(2);
      insert(cut, "connected again");
      proxy.cutAfterBytes(Direction.TO_SERVER, 0);
      assertThatThrownBy(() -> insert(cut, "never arrived"))
          .isInstanceOf(OutcomeUnknownException.class);
      assertThat(notes()).isEqualTo(3);
      commit(cut, "connected once more");
      proxy.cutAfterCommit(1);
      assertThatThrownBy(() -> commit(cut, "committed with position"))
          .isInstanceOf(OutcomeUnknownException.class);
      assertThat(notes()).isEqualTo(5);
    }
  }

  @Test
  void serializationFailure_isTriedAgain() throws SQLException {
    execute(
        "create or replace function fail_once(text) returns text language plpgsql as $$ begin"
            + " if nextval('tries') = 1 then raise sqlstate '40001'; end if; return $1; end $$;"
            + " drop sequence if exists tries; create sequence tries");
    Commit<Integer> commit =
        transactions.commitStatement(
            OPTIONS,
            "insert into note (text) values (fail_once(?)) returning id",
            statement -> statement.setString(1, "x"),
            LoneStatementPostgresTest::id);
    assertThat(commit.attempts()).isEqualTo(2);
    assertThat(notes()).isEqualTo(1);
  }

  @Test
  void deadline_isHonoured() {
    TxOptions soon = OPTIONS.toBuilder().deadline(Duration.ofMillis(200)).build();
    assertThatThrownBy(
            () ->
                transactions.runStatement(
                    soon, "select pg_sleep(100)", statement -> {}, PreparedStatement::getResultSet))
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.STATEMENT_TIMEOUT));
  }

  @Test
  void insideATransaction_isRefusedUnlessItJoins() throws SQLException {
    assertThatThrownBy(() -> transactions.run(tx -> insert(transactions, "inside")))
        .isInstanceOf(TransactionException.class)
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.MISUSE));
    TxOptions joining = OPTIONS.toBuilder().nesting(TxOptions.Nesting.JOIN).build();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      transactions.runStatement(
                          joining,
                          INSERT,
                          statement -> statement.setString(1, "joined"),
                          LoneStatementPostgresTest::id);
                      throw new IllegalStateException("roll back");
                    }))
        .hasMessage("roll back");
    assertThat(notes()).isZero();
  }

  @Test
  void resultThatCannotBeRead_undoesNothingAndIsNotTriedAgain() throws SQLException {
    TxOptions eager =
        OPTIONS.toBuilder()
            .retry(
                new TxOptions.Retry(
                    5,
                    Duration.ofSeconds(30),
                    Duration.ofMillis(1),
                    Duration.ofMillis(1),
                    Set.of(FailureKind.OTHER)))
            .build();
    AtomicInteger read = new AtomicInteger();
    assertThatThrownBy(
            () ->
                transactions.runStatement(
                    eager,
                    INSERT,
                    statement -> statement.setString(1, null),
                    executed -> {
                      read.incrementAndGet();
                      throw new SQLException("cannot be read");
                    }))
        .isInstanceOf(TransactionException.class)
        .hasMessageContaining("was committed");
    assertThat(read).hasValue(1);
    assertThat(notes()).isEqualTo(1);
  }

  @Test
  void textThatBeginsATransaction_isRefusedAndRolledBack() throws SQLException {
    try (HikariDataSource pool = pool(database.jdbcUrl(), true)) {
      Transactions on = Transactions.of(pool);
      assertThatThrownBy(
              () ->
                  on.runStatement(
                      OPTIONS,
                      "begin; insert into note (text) values ('left open')",
                      statement -> {},
                      executed -> 0))
          .isInstanceOf(TransactionException.class)
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.MISUSE));
      insert(on, "next");
    }
    assertThat(notes()).isEqualTo(1);
  }
}
