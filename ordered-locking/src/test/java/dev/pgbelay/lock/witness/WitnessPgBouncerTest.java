package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.run;
import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.lock.witness.DeadlockReport.Known;
import dev.pgbelay.lock.witness.DeadlockReport.Side;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Behind PgBouncer in transaction mode the driver knows a process number that is not a server's.
 */
@Timeout(300)
class WitnessPgBouncerTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static final String ACCOUNT = "update account set balance = 4711 where id = 1";
  private static final String STOCK = "update stock set item = 'secret' where id = 1";

  private static @Nullable PgBouncer bouncer;
  private static @Nullable HikariDataSource pool;

  @BeforeAll
  static void start() {
    PostgresDatabase database = postgres.database();
    bouncer = PgBouncer.inFrontOf(database.cluster().primary(), 3);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(
        bouncer.jdbcUrl(database.name()) + "&prepareThreshold=0&ApplicationName=behind");
    config.setMaximumPoolSize(4);
    pool = new HikariDataSource(config);
  }

  @AfterAll
  static void stop() {
    if (pool != null) {
      pool.close();
    }
    if (bouncer != null) {
      bouncer.close();
    }
  }

  private static HikariDataSource pool() {
    return Objects.requireNonNull(pool);
  }

  @Test
  void inversionsAndRowOrder_areFoundAsWithoutIt() throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(
          witness.observe(pool()),
          List.of(
              sql(ACCOUNT, STOCK),
              sql(STOCK, "insert into ledger(account_id) values (1)"),
              sql(STOCK, ACCOUNT),
              c -> {
                run(c, "update account set balance = 1 where id = ?", 10L);
                run(c, "update account set balance = 1 where id = ?", 9L);
              }));
      assertThat(witness.findings())
          .extracting(LockFinding::kind)
          .containsExactly(LockFinding.Kind.ORDER, LockFinding.Kind.ROW_ORDER);
      assertThat(witness.unseen()).isEmpty();
    }
  }

  @Test
  void deadlock_hasThisSideInFull_theServersNumbers_andWhatTheActivityShows() throws Exception {
    try (LockWitness witness = LockWitness.builder().catalog(pool()).build()) {
      DataSource observed = witness.observe(pool());
      try (Interleaving other = Interleaving.of(observed);
          Connection a = observed.getConnection()) {
        Interleaving.Session b = other.session("b");
        b.run(c -> run(c, "set local deadlock_timeout = '1h'"));
        b.run(c -> run(c, STOCK));
        a.setAutoCommit(false);
        run(a, "set local deadlock_timeout = '10ms'");
        run(a, ACCOUNT);
        long pid = serverPid(a);
        Interleaving.Step<Boolean> waiting =
            b.start(
                "b takes the account",
                c -> {
                  run(c, ACCOUNT);
                  return true;
                });
        awaitWaiting();
        DeadlockReport report = null;
        try {
          run(a, STOCK);
        } catch (SQLException failure) {
          report = DeadlockReport.in(failure).orElseThrow();
        }
        a.rollback();
        waiting.get();
        assertThat(report).isNotNull();
        assertThat(report.victim().pid()).as("the server's own number").isEqualTo(pid);
        assertThat(report.victim().held())
            .extracting(LockStep::lockClass)
            .containsExactly("account");
        assertThat(report.others()).hasSize(1);
        Side side = report.others().get(0);
        assertThat(side.known()).isEqualTo(Known.ACTIVITY);
        assertThat(side.pid()).isNotEqualTo(pid).isPositive();
        assertThat(side.statement()).isEqualTo("update account set balance = ? where id = ?");
        assertThat(side.application()).isEqualTo("behind");
        assertThat(report.toString()).doesNotContain("secret").doesNotContain("4711");
      }
    }
  }

  private static long serverPid(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("select pg_backend_pid()")) {
      row.next();
      return row.getLong(1);
    }
  }

  private static void awaitWaiting() {
    org.awaitility.Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              try (Connection connection = postgres.dataSource().getConnection();
                  Statement statement = connection.createStatement();
                  ResultSet row =
                      statement.executeQuery(
                          "select exists (select from pg_locks where not granted)")) {
                row.next();
                return row.getBoolean(1);
              }
            });
  }
}
