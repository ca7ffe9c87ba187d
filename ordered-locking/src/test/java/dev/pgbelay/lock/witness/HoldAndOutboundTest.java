package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.run;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class HoldAndOutboundTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static final String ACCOUNT = "update account set balance = 5 where id = 1";

  @Test
  void locksHeldTooLong_areReportedWhileTheyAreHeldAndAtTheEnd() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    List<LongHold> holds = new CopyOnWriteArrayList<>();
    try (LockWitness witness =
            LockWitness.builder()
                .holdLimit(Duration.ofMillis(50))
                .onLongHold(holds::add)
                .meterRegistry(registry)
                .build();
        Connection connection = witness.observe(postgres.dataSource()).getConnection()) {
      connection.setAutoCommit(false);
      run(connection, ACCOUNT);
      await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> assertThat(holds).hasSize(1));
      LongHold open = holds.get(0);
      assertThat(open.open()).isTrue();
      assertThat(open.held()).isGreaterThan(Duration.ofMillis(50));
      assertThat(open.locks()).extracting(LockStep::lockClass).containsExactly("account");
      assertThat(open.toString())
          .contains("row locks are held for", "HoldAndOutboundTest", "now in");
      endTheTransaction(connection);
      assertThat(holds).hasSize(2);
      assertThat(holds.get(1).open()).isFalse();
      assertThat(holds.get(1).toString()).contains("were held for", "endTheTransaction");
      assertThat(registry.get("pgbelay.lock.long.holds").timer().count()).isEqualTo(2);
    }
  }

  private static void endTheTransaction(Connection connection) throws SQLException {
    connection.rollback();
  }

  @Test
  void locksOfATransactionThatIsNotSampled_areReportedToo() throws Exception {
    List<LongHold> holds = new CopyOnWriteArrayList<>();
    try (LockWitness witness =
            LockWitness.builder()
                .sampled(1e-9)
                .holdLimit(Duration.ofMillis(20))
                .onLongHold(holds::add)
                .build();
        Connection connection = witness.observe(postgres.dataSource()).getConnection()) {
      connection.setAutoCommit(false);
      run(connection, ACCOUNT);
      await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> assertThat(holds).hasSize(1));
      assertThat(holds.get(0).toString()).contains("account FOR NO KEY UPDATE at (not sampled)");
      connection.rollback();
    }
  }

  @Test
  void transactionsThatHoldNothing_orNotForLong_areNotReported() throws Exception {
    List<LongHold> holds = new CopyOnWriteArrayList<>();
    try (LockWitness witness =
            LockWitness.builder().holdLimit(Duration.ofSeconds(30)).onLongHold(holds::add).build();
        Connection connection = witness.observe(postgres.dataSource()).getConnection()) {
      connection.setAutoCommit(false);
      run(connection, ACCOUNT);
      connection.commit();
      run(connection, "select 1 from account");
      connection.commit();
    }
    assertThat(holds).isEmpty();
  }

  @Test
  void callUnderRowLocks_isRefusedByName_andAllowedBeforeAndAfter() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    OutboundCalls calls = OutboundCalls.strict().meterRegistry(registry);
    try (LockWitness witness = LockWitness.builder().build()) {
      DataSource observed = witness.observe(postgres.dataSource());
      assertThat(calls.<String, RuntimeException>mark("psp", () -> "charged")).isEqualTo("charged");
      Transactions.of(observed)
          .execute(
              tx -> {
                run(tx.connection(), "select balance from account where id = 1");
                calls.mark("psp"); // holds no row
                run(tx.connection(), ACCOUNT);
                assertThatThrownBy(() -> calls.mark("psp"))
                    .isInstanceOf(OutboundCallException.class)
                    .hasMessageContaining("'psp' is about to be called")
                    .hasMessageContaining("holds account FOR NO KEY UPDATE")
                    .hasMessageContaining("tx.afterCommit")
                    .satisfies(
                        failure -> assertThat(((OutboundCallException) failure).held()).hasSize(1));
                tx.afterCommit(commit -> calls.mark("psp"));
              });
      calls.mark("psp");
    }
    assertThat(
            registry
                .get("pgbelay.lock.outbound.calls")
                .tags("target", "psp", "locks", "holds", "refused", "yes")
                .counter()
                .count())
        .isEqualTo(1);
  }

  @Test
  void callAfterASavepointGaveTheLocksBack_isAllowed() throws Exception {
    try (LockWitness witness = LockWitness.builder().build();
        Connection connection = witness.observe(postgres.dataSource()).getConnection()) {
      connection.setAutoCommit(false);
      Savepoint savepoint = connection.setSavepoint();
      run(connection, ACCOUNT);
      assertThatThrownBy(() -> OutboundCalls.strict().mark("psp"))
          .isInstanceOf(OutboundCallException.class);
      connection.rollback(savepoint);
      OutboundCalls.strict().mark("psp");
      connection.rollback();
    }
  }

  @Test
  void callInATransactionThatNobodyObserves_isRefusedToo() {
    Transactions.of(postgres.dataSource())
        .execute(
            tx ->
                assertThatThrownBy(() -> OutboundCalls.strict().mark("psp"))
                    .isInstanceOf(OutboundCallException.class)
                    .hasMessageContaining("is open that nobody observes"));
  }

  @Test
  void reporting_countsAndLetsTheCallBeMade() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    OutboundCalls calls = OutboundCalls.reporting().meterRegistry(registry);
    try (LockWitness witness = LockWitness.builder().build()) {
      Transactions.of(witness.observe(postgres.dataSource()))
          .execute(
              tx -> {
                run(tx.connection(), ACCOUNT);
                assertThat(calls.<Integer, RuntimeException>mark("mail", () -> 1)).isEqualTo(1);
              });
    }
    assertThat(registry.get("pgbelay.lock.outbound.calls").tag("refused", "no").counter().count())
        .isEqualTo(1);
  }

  @Test
  void jooqListener_seesLocksSavepointsAndEnds() throws Exception {
    org.postgresql.ds.PGSimpleDataSource direct = new org.postgresql.ds.PGSimpleDataSource();
    direct.setUrl(postgres.jdbcUrl());
    try (LockWitness witness = LockWitness.builder().catalog(direct).build()) {
      WatchedJooq listener = witness.jooqListener();
      org.jooq.DSLContext dsl =
          DSL.using(
              new org.jooq.impl.DefaultConfiguration()
                  .set(postgres.dataSource())
                  .set(SQLDialect.POSTGRES)
                  .set((org.jooq.ExecuteListener) listener)
                  .set((org.jooq.TransactionListener) listener));
      dsl.transaction(
          tx -> {
            tx.dsl().execute("update stock set quantity = 1 where id = 1");
            try {
              tx.dsl()
                  .transaction(
                      nested -> {
                        nested.dsl().execute("update orders set note = '' where id = 1");
                        throw new IllegalStateException("gives the order back");
                      });
            } catch (IllegalStateException expected) {
              // its lock is gone
            }
            tx.dsl().execute(ACCOUNT);
          });
      dsl.transaction(tx -> tx.dsl().execute(ACCOUNT));
      dsl.execute("update stock set quantity = 1 where id = ?", 1);
      assertThat(witness.findings()).isEmpty();
      dsl.transaction(
          tx -> {
            tx.dsl().execute(ACCOUNT);
            tx.dsl().execute("update stock set quantity = 1 where id = ?", 1);
          });
      assertThat(witness.findings())
          .singleElement()
          .satisfies(finding -> assertThat(finding.classes()).containsExactly("stock", "account"));
    }
  }

  @Test
  void jooqListener_seesEachStatementOfABatch_andDoesNotTakeItsTemplateForItsKeys()
      throws Exception {
    org.postgresql.ds.PGSimpleDataSource direct = new org.postgresql.ds.PGSimpleDataSource();
    direct.setUrl(postgres.jdbcUrl());
    try (LockWitness witness = LockWitness.builder().catalog(direct).build()) {
      WatchedJooq listener = witness.jooqListener();
      org.jooq.DSLContext dsl =
          DSL.using(
              new org.jooq.impl.DefaultConfiguration()
                  .set(postgres.dataSource())
                  .set(SQLDialect.POSTGRES)
                  .set((org.jooq.ExecuteListener) listener)
                  .set((org.jooq.TransactionListener) listener));
      dsl.transaction(
          tx ->
              tx.dsl()
                  .batch(tx.dsl().query("update stock set quantity = ? where id = ?", null, null))
                  .bind(1, 7)
                  .bind(1, 3)
                  .execute());
      assertThat(witness.findings()).isEmpty();
      dsl.transaction(
          tx ->
              tx.dsl()
                  .batch(
                      tx.dsl().query("update stock set quantity = 1 where id = 1"),
                      tx.dsl().query(ACCOUNT))
                  .execute());
      dsl.transaction(
          tx -> {
            tx.dsl().execute(ACCOUNT);
            tx.dsl()
                .batch(tx.dsl().query("update stock set quantity = ? where id = ?", null, null))
                .bind(1, 7)
                .execute();
          });
      assertThat(witness.findings())
          .singleElement()
          .satisfies(finding -> assertThat(finding.classes()).containsExactly("stock", "account"));
    }
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> LockWitness.builder().sampled(0))
        .hasMessageContaining("share must be above 0 and below 1, is 0.0");
    assertThatThrownBy(() -> LockWitness.builder().benign("a", "b", " "))
        .hasMessageContaining("benign(a, b): say why");
    assertThatThrownBy(() -> LockWitness.builder().benign("", "b", "x"))
        .hasMessageContaining("class's name is blank");
    assertThatThrownBy(() -> LockWitness.builder().holdLimit(Duration.ZERO))
        .hasMessageContaining("holdLimit must be between PT0.001S and PT1H, is PT0S");
    assertThatThrownBy(() -> OutboundCalls.strict().mark(" "))
        .hasMessageContaining("name the service");
    try (LockWitness witness = LockWitness.builder().build()) {
      assertThatThrownBy(witness::jooqListener).hasMessageContaining("catalog(dataSource)");
    }
  }
}
