package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Which foreign transactions are joined, which are refused, and what is borrowed for it. */
@ExtendWith(PostgresExtension.class)
@Timeout(60)
class TransactionJoinTest {
  private final PostgresDatabase database;
  private final HikariDataSource noAutocommit;

  TransactionJoinTest(PostgresDatabase database) {
    this.database = database;
    this.noAutocommit = pool(database, 3);
  }

  private static HikariDataSource pool(PostgresDatabase database, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(database.jdbcUrl());
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setAutoCommit(false);
    config.setConnectionTimeout(300);
    return new HikariDataSource(config);
  }

  @BeforeEach
  void makeTable() throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("DROP TABLE IF EXISTS note; CREATE TABLE note (id int PRIMARY KEY)");
    }
  }

  @AfterEach
  void closePool() {
    assertThat(noAutocommit.getHikariPoolMXBean().getActiveConnections()).isZero();
    noAutocommit.close();
  }

  private int count() throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT count(*) FROM note")) {
      row.next();
      return row.getInt(1);
    }
  }

  /** Keeps a transaction's connection for its thread and counts its users, as frameworks do. */
  private static final class BoundProvider implements ConnectionProvider {
    private final Connection bound;
    private int users;

    BoundProvider(DataSource dataSource) throws SQLException {
      bound = dataSource.getConnection();
    }

    @Override
    public Connection acquire() {
      users++;
      return bound;
    }

    @Override
    public void release(Connection connection) {
      users--;
    }
  }

  @Test
  void plainPoolOutsideAutocommit_isRefusedByName() {
    DSLContext dsl = DSL.using(noAutocommit, SQLDialect.POSTGRES);

    assertThatThrownBy(() -> Tx.join(dsl))
        .isInstanceOfSatisfying(
            TransactionException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.MISUSE))
        .hasMessageContaining("takes another connection for every statement")
        .hasMessageContaining("plain pool");
    Transactions.requireNone();
  }

  @Test
  void plainPoolOfOneConnection_isRefusedByNameToo() {
    try (HikariDataSource one = pool(database, 1)) {
      DSLContext dsl = DSL.using(one, SQLDialect.POSTGRES);

      assertThatThrownBy(() -> Tx.join(dsl))
          .isInstanceOf(TransactionException.class)
          .hasMessageContaining("takes another connection for every statement")
          .hasCauseInstanceOf(DataAccessException.class);
      assertThat(one.getHikariPoolMXBean().getActiveConnections()).isZero();
    }
  }

  @Test
  void joinedTransactionBeforeItsFirstStatement_isSeenAsOpen() throws SQLException {
    DataSource dataSource = database.dataSource();
    Transactions transactions = Transactions.of(dataSource);
    assertThat(transactions.<Integer, RuntimeException>run(tx -> 1)).isEqualTo(1);
    DSL.using(dataSource, SQLDialect.POSTGRES)
        .transaction(
            configuration -> {
              Tx.join(configuration.dsl());
              assertThatThrownBy(Transactions::requireNone).hasMessageContaining("joined");
              assertThatThrownBy(() -> transactions.execute(tx -> {}))
                  .isInstanceOf(TransactionException.class)
                  .hasMessageContaining("would take a second connection");
            });
    Transactions.requireNone();

    try (Connection connection = noAutocommit.getConnection()) {
      Tx tx = Tx.join(connection);
      assertThatThrownBy(Transactions::requireNone).hasMessageContaining("joined");
      tx.dsl().execute("insert into note values (1)");
      connection.commit();
      Transactions.requireNone();
      try (Statement statement = connection.createStatement()) {
        statement.execute("insert into note values (2)");
      }
      assertThat(Tx.join(connection)).isNotNull();
      connection.commit();
      Transactions.requireNone();
    }
    transactions.execute(tx -> {});
  }

  @Test
  void jooqTransactionOverPool_isJoinedAndCommittedByJooq() throws SQLException {
    for (DataSource pool : List.of(noAutocommit, database.dataSource())) {
      DSLContext dsl = DSL.using(pool, SQLDialect.POSTGRES);
      dsl.execute("truncate note");
      dsl.transaction(
          configuration -> {
            Tx tx = Tx.join(configuration.dsl());
            tx.dsl().execute("insert into note values (1)");
            try (Statement statement = tx.connection().createStatement()) {
              statement.execute("insert into note values (2)");
            }
            configuration
                .dsl()
                .transaction(inner -> assertThat(Tx.join(inner.dsl()).id()).isEqualTo(tx.id()));
          });
      assertThat(count()).isEqualTo(2);
    }
  }

  @Test
  void jooqTransactionThatFails_takesWhatWasJoinedWithIt() throws SQLException {
    DSLContext dsl = DSL.using(database.dataSource(), SQLDialect.POSTGRES);
    assertThatThrownBy(
            () ->
                dsl.transaction(
                    configuration -> {
                      Tx.join(configuration.dsl()).dsl().execute("insert into note values (1)");
                      throw new IllegalStateException("owner fails");
                    }))
        .hasMessage("owner fails");
    assertThat(count()).isZero();
  }

  @Test
  void providerThatKeepsTheTransaction_getsBackWhateverWasBorrowed() throws SQLException {
    BoundProvider provider = new BoundProvider(noAutocommit);
    DSLContext dsl = DSL.using(new DefaultConfiguration().set(SQLDialect.POSTGRES).set(provider));
    List<String> seen = new ArrayList<>();
    List<Runnable> afterCommit = new ArrayList<>();

    Tx tx = Tx.join(dsl, afterCommit::add);
    tx.afterCommit(commit -> seen.add("hook " + commit.effect()));
    tx.dsl().execute("insert into note values (1)");
    for (int id = 2; id < 5; id++) {
      try (Statement statement = tx.connection().createStatement()) {
        statement.execute("insert into note values (" + id + ")");
      }
    }
    tx.within(Duration.ofSeconds(5), inner -> inner.dsl().execute("insert into note values (5)"));
    assertThat(Tx.join(tx.connection())).isSameAs(tx);
    assertThat(provider.users).isZero();

    provider.bound.commit();
    afterCommit.forEach(Runnable::run);
    provider.bound.close();
    assertThat(seen).containsExactly("hook UNKNOWN");
    assertThat(count()).isEqualTo(5);
  }

  @Test
  void plainConnection_isJoinedAndStaysOpen() throws SQLException {
    try (Connection connection = noAutocommit.getConnection()) {
      Tx tx = Tx.join(connection);
      tx.dsl().execute("insert into note values (1)");
      Tx again = Tx.join(DSL.using(connection, SQLDialect.POSTGRES));
      assertThat(again.id()).isEqualTo(tx.id());
      assertThatThrownBy(() -> tx.connection().close()).hasMessageContaining("close() is refused");
      assertThat(connection.isClosed()).isFalse();
      connection.commit();
    }
    assertThat(count()).isEqualTo(1);
  }
}
