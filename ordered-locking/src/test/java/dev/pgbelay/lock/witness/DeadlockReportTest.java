package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.run;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.lock.witness.DeadlockReport.Known;
import dev.pgbelay.lock.witness.DeadlockReport.Side;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;
import org.postgresql.ds.PGSimpleDataSource;

/** Real deadlocks, two sessions each. */
class DeadlockReportTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static void takeAccount(Connection connection) throws SQLException {
    run(connection, "update account set balance = 4711 where id = ?", 1L);
  }

  private static void takeStock(Connection connection) throws SQLException {
    run(connection, "update stock set item = 'secret' where id = ?", 1);
  }

  /** The session whose timeout is short is the victim. */
  private static Throwable deadlock(DataSource victims, DataSource others) throws Exception {
    try (Interleaving other = Interleaving.of(others)) {
      Interleaving.Session b = other.session("b");
      b.run(c -> run(c, "set local deadlock_timeout = '1h'"));
      b.run(DeadlockReportTest::takeStock);
      try (Connection a = victims.getConnection()) {
        a.setAutoCommit(false);
        run(a, "set local deadlock_timeout = '10ms'");
        takeAccount(a);
        Interleaving.Step<Boolean> waiting =
            b.start(
                "b takes the account",
                c -> {
                  takeAccount(c);
                  return true;
                });
        waiting.awaitBlocked();
        try {
          takeStock(a);
          throw new AssertionError("no deadlock");
        } catch (SQLException failure) {
          a.rollback();
          waiting.get();
          return failure;
        }
      }
    }
  }

  @Test
  void otherSideWatchedInThisJvm_bothAreToldInFull() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    try (LockWitness witness =
        LockWitness.builder().meterRegistry(registry).catalog(direct()).build()) {
      DataSource observed = witness.observe(postgres.dataSource());
      Throwable failure = deadlock(observed, observed);
      assertThat(failure).isInstanceOf(DeadlockException.class);
      assertThat(((SQLException) failure).getSQLState()).isEqualTo("40P01");
      assertThat(Failures.classify(failure)).isEqualTo(FailureKind.DEADLOCK);
      DeadlockReport report = DeadlockReport.in(new RuntimeException(failure)).orElseThrow();
      assertThat(report.wanted()).isEqualTo("stock");
      assertThat(report.victim().held()).extracting(LockStep::lockClass).containsExactly("account");
      assertThat(String.valueOf(report.victim().wanted())).contains("takeStock");
      assertThat(report.victim().held().toString()).contains("takeAccount");
      assertThat(report.others()).hasSize(1);
      Side other = report.others().get(0);
      assertThat(other.known()).isEqualTo(Known.WATCHED);
      // By now it may have been let through to the account as well.
      assertThat(other.held()).extracting(LockStep::lockClass).startsWith("stock");
      assertThat(other.held().toString()).contains("takeStock");
      assertThat(String.valueOf(other.wanted())).contains("update account set balance = ?");
      assertThat(failure.getMessage())
          .contains("deadlock over stock", "this side", "other side")
          .doesNotContain("secret")
          .doesNotContain("4711");
      assertThat(
              registry
                  .get("pgbelay.lock.deadlocks")
                  .tag("classes", "account/stock")
                  .counter()
                  .count())
          .isEqualTo(1);
      // Both had been watched, so the inversion is known as well.
      assertThat(witness.findings()).hasSize(1);
    }
  }

  @Test
  void otherSideNotWatched_isReadFromTheActivity() throws Exception {
    try (LockWitness witness = LockWitness.builder().catalog(direct()).build()) {
      Throwable failure = deadlock(witness.observe(postgres.dataSource()), direct());
      Side other = DeadlockReport.in(failure).orElseThrow().others().get(0);
      assertThat(other.known()).isEqualTo(Known.ACTIVITY);
      assertThat(other.statement()).isEqualTo("update account set balance = ? where id = ?");
      assertThat(other.application()).isEqualTo("somebody else");
    }
  }

  @Test
  void activityNotReadable_leavesTheProcessNumber() throws Exception {
    try (Connection connection = postgres.database().connect()) {
      run(connection, "create role nobody_special login");
    }
    PGSimpleDataSource restricted = direct();
    restricted.setUser("nobody_special");
    try (LockWitness witness = LockWitness.builder().catalog(restricted).build()) {
      Throwable failure = deadlock(witness.observe(postgres.dataSource()), direct());
      Side other = DeadlockReport.in(failure).orElseThrow().others().get(0);
      assertThat(other.known()).isEqualTo(Known.PROCESS);
      assertThat(other.pid()).isPositive();
      assertThat(failure.getMessage()).contains("of which no more is known");
    }
  }

  @Test
  void deadlockInATransactionOfCore_isStillRetried() throws Exception {
    try (LockWitness witness = LockWitness.builder().sampled(0.01).catalog(direct()).build()) {
      DataSource observed = witness.observe(postgres.dataSource());
      int[] runs = {0};
      try (Interleaving other = Interleaving.of(observed)) {
        Interleaving.Session b = other.session("b");
        b.run(c -> run(c, "set local deadlock_timeout = '1h'"));
        b.run(DeadlockReportTest::takeStock);
        Interleaving.Step<?>[] waiting = new Interleaving.Step<?>[1];
        Transactions.of(observed)
            .execute(
                TxOptions.builder().setting("deadlock_timeout", "10ms").build(),
                tx -> {
                  takeAccount(tx.connection());
                  if (runs[0]++ == 0) {
                    waiting[0] =
                        b.start(
                            "b takes the account",
                            c -> {
                              takeAccount(c);
                              c.commit();
                              return true;
                            });
                    waiting[0].awaitBlocked();
                  }
                  takeStock(tx.connection());
                });
        assertThat(runs[0]).isEqualTo(2);
      }
    }
  }

  private static PGSimpleDataSource direct() {
    PGSimpleDataSource direct = new PGSimpleDataSource();
    direct.setUrl(postgres.jdbcUrl());
    direct.setApplicationName("somebody else");
    return direct;
  }

  @Test
  void serverId_leavesOutDatabaseAndParameters() throws Exception {
    try (Connection connection = postgres.dataSource().getConnection()) {
      int pid = connection.unwrap(PGConnection.class).getBackendPID();
      assertThat(
              ObservedSessions.Id.of(
                  "jdbc:postgresql://db.example.org:5432/app?user=u&password=secret", pid))
          .isEqualTo(new ObservedSessions.Id("db.example.org:5432", pid));
    }
  }
}
