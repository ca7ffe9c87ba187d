package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.run;
import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.lock.LockClass;
import dev.pgbelay.lock.LockOrder;
import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is watched goes on as if it were not, and is told apart from what it is not. */
@Timeout(300)
class UnharmedCodeTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static final String ACCOUNT = "update account set balance = balance + 1 where id = 1";
  private static final String STOCK = "update stock set quantity = quantity + 1 where id = 1";

  @Test
  void listenersThatFail_harmNeitherStatementNorCommit() throws Exception {
    try (LockWitness witness =
            LockWitness.builder()
                .holdLimit(Duration.ofMillis(1))
                .onLongHold(
                    hold -> {
                      throw new IllegalStateException("a listener's fault");
                    })
                .advisoryClasses(
                    key -> {
                      throw new IllegalStateException("a namer's fault");
                    })
                .build();
        Connection connection = witness.observe(postgres.dataSource()).getConnection()) {
      connection.setAutoCommit(false);
      run(connection, "select pg_advisory_xact_lock(17)");
      run(connection, "update account set balance = 4242 where id = 7");
      run(connection, "select pg_sleep(0.02)");
      connection.commit();
      run(connection, "select 1 / (balance - 4241) from account where id = 7");
      connection.rollback();
    }
  }

  @Test
  void twoDatabasesUnderOneWitness_areNotMixedUp() throws Exception {
    try (PostgresDatabase other = postgres.database().cluster().createDatabase("other_bank");
        LockWitness witness = LockWitness.builder().build()) {
      WitnessSchema.TABLES.initialize(other.dataSource());
      DataSource first = witness.observe(postgres.dataSource());
      DataSource second = witness.observe(other.dataSource());
      Scripted.play(first, List.of(sql(ACCOUNT, STOCK)));
      Scripted.play(second, List.of(sql(STOCK, ACCOUNT)));
      assertThat(witness.findings()).isEmpty();
      Scripted.play(witness.observe(postgres.dataSource()), List.of(sql(STOCK, ACCOUNT)));
      assertThat(witness.findings()).hasSize(1);
    }
  }

  private static void lockBoth(Tx tx, LockOrder order, LockClass... classes) {
    for (LockClass each : classes) {
      order.acquire(tx, each.row(each.name().equals("stock") ? (Object) 1 : (Object) 1L));
    }
  }

  @Test
  void locksTakenThroughLockOrder_areReportedWithTheLineThatCalledIt() throws Exception {
    LockClass account = LockClass.rows(table(name("account")), field(name("id"), Long.class));
    LockClass stock = LockClass.rows(table(name("stock")), field(name("id"), Integer.class));
    LockOrder order = LockOrder.builder().rank(1, account).rank(2, stock).build();
    try (LockWitness witness = LockWitness.builder().build()) {
      DataSource watched = witness.observe(postgres.dataSource());
      Transactions.of(watched).execute(tx -> lockBoth(tx, order, account, stock));
      Scripted.play(watched, List.of(sql(STOCK, ACCOUNT)));
      assertThat(witness.findings())
          .singleElement()
          .satisfies(
              finding ->
                  assertThat(finding.toString())
                      .contains("UnharmedCodeTest.lockBoth")
                      .doesNotContain("lock.Acquisition"));
    }
  }

  @Test
  void deadlockAtCommit_isReportedToPlainJdbcToo() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    try (LockWitness witness = LockWitness.builder().meterRegistry(registry).build()) {
      DataSource watched = witness.observe(postgres.dataSource());
      Scripted.play(
          postgres.dataSource(),
          List.of(
              c -> {
                run(c, "create table once(id int unique deferrable initially deferred)");
                c.commit();
              }));
      try (Connection first = watched.getConnection();
          Connection second = watched.getConnection()) {
        List<CompletableFuture<Optional<SQLException>>> commits = new ArrayList<>();
        for (Connection each : List.of(first, second)) {
          each.setAutoCommit(false);
          run(each, ACCOUNT.replace("id = 1", each == first ? "id = 1" : "id = 2"));
          run(each, "insert into once values (?)", each == first ? 1 : 2);
        }
        run(first, "insert into once values (2)"); // both look again at COMMIT
        run(second, "insert into once values (1)");
        for (Connection each : List.of(first, second)) {
          // Each on a thread of its own, for one waits for the other.
          commits.add(
              CompletableFuture.supplyAsync(() -> commit(each), task -> new Thread(task).start()));
        }
        List<SQLException> failures = new ArrayList<>();
        for (CompletableFuture<Optional<SQLException>> each : commits) {
          each.get(120, TimeUnit.SECONDS).ifPresent(failures::add);
        }
        assertThat(failures)
            .filteredOn(failure -> "40P01".equals(failure.getSQLState()))
            .isNotEmpty()
            .allSatisfy(
                failure -> {
                  DeadlockReport report = DeadlockReport.in(failure).orElseThrow();
                  assertThat(report.victim().statement()).isEqualTo("COMMIT");
                  assertThat(report.victim().held())
                      .extracting(LockStep::lockClass)
                      .startsWith("account");
                });
        assertThat(registry.get("pgbelay.lock.deadlocks").counter().count()).isPositive();
      }
    }
  }

  private static Optional<SQLException> commit(Connection connection) {
    try {
      connection.commit();
      return Optional.empty();
    } catch (SQLException e) {
      return Optional.of(e);
    }
  }

  @Test
  void numberOfABillionDigits_isNotWrittenOut() {
    KeyColumn id = new KeyColumn("id", "int8", "", "");
    assertThat(LockKey.of(List.of(id), List.of(new BigDecimal("1e999999999")))).isNull();
    assertThat(LockKey.of(List.of(id), List.of(new BigDecimal("12e2"))))
        .isEqualTo(LockKey.of(List.of(id), List.of(1200L)));
  }

  @Test
  void transactionsEndedByAnotherThread_leaveNoListBehind() throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      DataSource watched = witness.observe(postgres.dataSource());
      for (int i = 0; i < 30; i++) {
        Connection connection = watched.getConnection();
        connection.setAutoCommit(false);
        run(connection, "update account set balance = 1 where id = " + (1 + i % 20));
        CompletableFuture.runAsync(
                () -> {
                  try (Connection ended = connection) {
                    ended.rollback();
                  } catch (SQLException e) {
                    throw new IllegalStateException(e);
                  }
                })
            .get(120, TimeUnit.SECONDS);
      }
      assertThat(ObservedSessions.enteredOnThisThread()).isLessThan(10);
    }
  }
}
