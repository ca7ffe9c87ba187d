package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGStatement;

/** Whatever way COMMIT or ROLLBACK takes behind the owner's back, nobody is told "committed". */
@ExtendWith(PostgresExtension.class)
@Timeout(60)
class TransactionEndedInsideTest {
  private final PostgresDatabase database;
  private final Transactions transactions;

  TransactionEndedInsideTest(PostgresDatabase database) {
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

  private int count() {
    return transactions.run(
        tx -> tx.dsl().fetchSingle("select count(*) from note").get(0, Integer.class));
  }

  private static void execute(Tx tx, String sql) throws SQLException {
    try (Statement statement = tx.connection().createStatement()) {
      statement.execute(sql);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "commit",
        "rollback",
        "select 1; commit",
        "insert into note values (1); commit",
        "insert into note values (1); rollback",
        "insert into note values (1); end; select 1"
      })
  void endSentAsText_isNoticedAtThatStatementAndNothingFollows(String sql) {
    AtomicInteger runs = new AtomicInteger();
    AtomicInteger behind = new AtomicInteger();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    TxOptions.forPath("checkout"),
                    tx -> {
                      runs.incrementAndGet();
                      execute(tx, sql);
                      behind.incrementAndGet();
                    }))
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("'checkout' ended its transaction inside the work")
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.OUTCOME_UNKNOWN));
    assertThat(runs).hasValue(1);
    assertThat(behind).hasValue(0);
  }

  @Test
  void endSentThroughJooqOrPreparedStatementOrBatch_isNoticed() {
    assertThatThrownBy(() -> transactions.execute(tx -> tx.dsl().execute("select 1; commit")))
        .isInstanceOf(OutcomeUnknownException.class);
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      try (PreparedStatement end = tx.connection().prepareStatement("commit")) {
                        end.execute();
                      }
                    }))
        .isInstanceOf(OutcomeUnknownException.class);
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      try (Statement batch = tx.connection().createStatement()) {
                        batch.addBatch("insert into note values (1)");
                        batch.addBatch("commit");
                        batch.executeBatch();
                      }
                    }))
        .isInstanceOf(OutcomeUnknownException.class);
  }

  @Test
  void endThatWasSwallowed_refusesTheNextStatementAndTheCommit() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      assertThat(catchThrowable(() -> execute(tx, "rollback"))).isNotNull();
                      assertThat(catchThrowable(() -> execute(tx, "insert into note values (2)")))
                          .isInstanceOf(OutcomeUnknownException.class);
                    }))
        .isInstanceOf(OutcomeUnknownException.class);
    assertThat(count()).isZero();
  }

  @Test
  void failureBehindCommitInTheSameText_isUnknownAndNotRetried() {
    AtomicInteger runs = new AtomicInteger();
    Throwable failure =
        catchThrowable(
            () ->
                transactions.execute(
                    tx -> {
                      runs.incrementAndGet();
                      execute(
                          tx,
                          "insert into note values (1); commit;"
                              + " do $$ begin raise sqlstate '40001'; end $$");
                    }));
    assertThat(failure).isInstanceOf(SQLException.class);
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
    assertThat(runs).hasValue(1);
    assertThat(count()).isEqualTo(1);
  }

  @Test
  void newTransactionBegunInTheSameText_isNoticedWhereTheIdIsKnown() {
    TxOptions resolving = TxOptions.builder().resolveOutcome(Duration.ofSeconds(5)).build();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    resolving,
                    tx -> {
                      execute(tx, "insert into note values (1); commit and chain");
                      execute(tx, "insert into note values (2)");
                    }))
        .isInstanceOf(OutcomeUnknownException.class);
  }

  @Test
  void connectionOfStatement_isGuardedLikeTheOneItCameFrom() throws SQLException {
    transactions.execute(
        tx -> {
          try (Statement plain = tx.connection().createStatement();
              PreparedStatement prepared = tx.connection().prepareStatement("select 1")) {
            assertThat(plain.getConnection()).isEqualTo(tx.connection());
            assertThatThrownBy(() -> plain.getConnection().commit())
                .isInstanceOf(TransactionException.class)
                .hasMessageContaining("Connection.commit() is refused");
            assertThatThrownBy(() -> prepared.getConnection().rollback())
                .hasMessageContaining("Connection.rollback() is refused");
            assertThatThrownBy(() -> prepared.getConnection().setAutoCommit(true))
                .hasMessageContaining("setAutoCommit");
            assertThat(prepared.unwrap(PGStatement.class)).isNotNull();
            assertThat(prepared.isWrapperFor(PGStatement.class)).isTrue();
          }
        });
  }

  @Test
  void commitThroughTheDriverItself_isNotTakenForOurs() throws SQLException {
    Commit<Integer> unseen =
        transactions.commit(
            TxOptions.defaults(),
            tx -> {
              Connection driver = tx.connection().unwrap(org.postgresql.jdbc.PgConnection.class);
              try (Statement statement = driver.createStatement()) {
                statement.execute("insert into note values (1)");
              }
              driver.commit();
              return 1;
            });
    assertThat(unseen.effect()).isEqualTo(Commit.Effect.UNKNOWN);

    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      execute(tx, "insert into note values (2)");
                      tx.connection().unwrap(org.postgresql.jdbc.PgConnection.class).commit();
                    }))
        .isInstanceOf(OutcomeUnknownException.class);
  }

  @Test
  void emptyBatchAndStatementThatIsNotSent_areNoEnd() throws SQLException {
    Commit<Integer> commit =
        transactions.commit(
            TxOptions.defaults(),
            tx -> {
              try (PreparedStatement never =
                  tx.connection().prepareStatement("insert into note values (?)")) {
                assertThat(never.executeBatch()).isEmpty();
                assertThat(catchThrowable(never::execute)).isInstanceOf(SQLException.class);
              }
              return 1;
            });
    assertThat(commit.effect()).isEqualTo(Commit.Effect.READ_ONLY);
  }

  @Test
  void joinedTransactionEndedByText_isNoticed() throws SQLException {
    try (Connection connection = database.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      Tx tx = Tx.join(connection);
      assertThatThrownBy(() -> execute(tx, "insert into note values (1); commit"))
          .isInstanceOf(OutcomeUnknownException.class)
          .hasMessageContaining("'joined'");
      assertThatThrownBy(() -> tx.connection().commit())
          .isInstanceOf(TransactionException.class)
          .hasMessageContaining("refused");
    }
  }

  @Test
  void resultsOfGuardedStatements_areReadAsBefore() throws SQLException {
    transactions.execute(
        tx -> {
          try (PreparedStatement insert =
              tx.connection()
                  .prepareStatement(
                      "insert into note values (?)", Statement.RETURN_GENERATED_KEYS)) {
            insert.setInt(1, 7);
            assertThat(insert.executeUpdate()).isEqualTo(1);
            try (ResultSet keys = insert.getGeneratedKeys()) {
              assertThat(keys.next()).isTrue();
              assertThat(keys.getInt(1)).isEqualTo(7);
            }
          }
        });
    assertThat(count()).isEqualTo(1);
  }
}
