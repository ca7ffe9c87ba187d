package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.schema.IndexReport;
import dev.pgbelay.core.schema.SafeDdl;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Two server connections for eight clients: whatever stays behind on a session is met by another.
 */
@Timeout(60)
class TransactionsPgBouncerTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static @Nullable PgBouncer bouncer;
  private static @Nullable HikariDataSource pool;

  @BeforeAll
  static void start() throws SQLException {
    PostgresDatabase database = postgres.database();
    bouncer = PgBouncer.inFrontOf(database.cluster().primary(), 2);
    pool = Pools.pool(bouncer.jdbcUrl(database.name()) + "&prepareThreshold=0", 8);
    execute("CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL)");
    execute("INSERT INTO counter SELECT id, 0 FROM generate_series(1, 8) id");
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

  private static DataSource pool() {
    return Objects.requireNonNull(pool);
  }

  private static void execute(String sql) throws SQLException {
    try (Connection connection = postgres.database().connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static List<String> onEverySession(String sql) throws SQLException {
    List<String> answers = new ArrayList<>();
    List<Connection> open = new ArrayList<>();
    try {
      // Two transactions open at once meet both server connections.
      for (int i = 0; i < 2; i++) {
        Connection connection = pool().getConnection();
        open.add(connection);
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement();
            ResultSet row = statement.executeQuery(sql)) {
          row.next();
          answers.add(row.getString(1));
        }
      }
    } finally {
      for (Connection connection : open) {
        connection.rollback();
        connection.close();
      }
    }
    return answers;
  }

  @Test
  void transactionsWithSettingsAndDeadlines_leaveNothingOnTheSessions() throws Exception {
    Transactions transactions = Transactions.of(pool());
    TxOptions options =
        TxOptions.builder()
            .setting("app.tenant", "7")
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .deadline(Duration.ofSeconds(20))
            .resolveOutcome(Duration.ofSeconds(5))
            .build();
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      List<Future<?>> workers = new ArrayList<>();
      for (int worker = 1; worker <= 8; worker++) {
        int id = worker;
        workers.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < 50; i++) {
                    Commit<Integer> commit =
                        transactions.commit(
                            options,
                            tx ->
                                tx.dsl().execute("update counter set n = n + 1 where id = ?", id));
                    assertThat(commit.effect()).isEqualTo(Commit.Effect.WROTE);
                    assertThat(commit.position()).isPresent();
                  }
                }));
      }
      for (Future<?> worker : workers) {
        worker.get();
      }
    } finally {
      threads.shutdownNow();
    }
    assertThat(onEverySession("SELECT sum(n) FROM counter")).containsOnly("400");
    assertThat(
            onEverySession(
                "SELECT concat_ws(' ', current_setting('statement_timeout'),"
                    + " current_setting('lock_timeout'), current_setting('transaction_isolation'),"
                    + " nullif(current_setting('app.tenant', true), ''))"))
        .containsOnly("0 0 read committed");
  }

  @Test
  void swallowedError_isReportedAsAborted() {
    Throwable failure =
        catchThrowable(
            () ->
                Transactions.of(pool())
                    .execute(
                        tx -> {
                          tx.dsl().execute("update counter set n = -1 where id = 8");
                          assertThat(catchThrowable(() -> tx.dsl().execute("select 1 / 0")))
                              .isNotNull();
                        }));
    assertThat(failure).isInstanceOf(TransactionAbortedException.class);
  }

  @Test
  void schemaAndIndex_areInstalledWithoutASettingLeftBehind() throws SQLException {
    SchemaInstaller installer =
        SchemaInstaller.builder(pool()).schema("bounced").modules("installerprobe").build();
    assertThat(installer.install().applied()).hasSize(2);
    assertThat(installer.requireInstalled().newer()).isEmpty();

    SafeDdl ddl = SafeDdl.builder(pool()).indexLockTimeout(Duration.ofSeconds(7)).build();
    assertThat(
            ddl.createIndexConcurrently("CREATE INDEX CONCURRENTLY counter_n ON counter (n)")
                .outcome())
        .isEqualTo(IndexReport.Outcome.BUILT);
    assertThat(
            ddl.createIndexConcurrently("CREATE INDEX CONCURRENTLY counter_n ON counter (n)")
                .outcome())
        .isEqualTo(IndexReport.Outcome.ALREADY_THERE);
    assertThat(onEverySession("SELECT current_setting('lock_timeout')")).containsOnly("0");
    assertThat(onEverySession("SELECT current_setting('search_path')"))
        .containsOnly("\"$user\", public");
  }
}
