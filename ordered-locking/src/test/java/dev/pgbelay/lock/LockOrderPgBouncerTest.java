package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static dev.pgbelay.lock.LockFixture.REPORTS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Three server connections for eight clients: what stays behind on one is met by another. */
@Timeout(300)
class LockOrderPgBouncerTest {
  private static final int CLIENTS = 8;
  private static final int SERVER_CONNECTIONS = 3;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private static @Nullable PgBouncer bouncer;
  private static @Nullable HikariDataSource pool;

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());
  private final LockOrder order = LockFixture.order().build();

  @BeforeAll
  static void start() {
    PostgresDatabase database = postgres.database();
    bouncer = PgBouncer.inFrontOf(database.cluster().primary(), SERVER_CONNECTIONS);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(bouncer.jdbcUrl(database.name()) + "&prepareThreshold=0");
    config.setMaximumPoolSize(CLIENTS);
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

  private Object deadlocks() {
    return dsl.fetchValue(
        "select deadlocks from pg_stat_database where datname = current_database()");
  }

  @Test
  void transfersUnderNamesAndRows_conserveMoneyAndLeaveNothingBehind() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Object before = deadlocks();
    Transactions once = Transactions.builder(pool()).retry(TxOptions.Retry.none()).build();
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        Random random = new Random(seed + client);
        running.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < 100; i++) {
                    transfer(once, random);
                  }
                }));
      }
      for (Future<?> each : running) {
        each.get(100, TimeUnit.SECONDS);
      }
    } finally {
      threads.shutdownNow();
    }
    assertThat(dsl.fetchValue("select sum(balance)::bigint from account")).isEqualTo(5_000L);
    assertThat(deadlocks()).as("seed " + seed).isEqualTo(before);
    assertThat(dsl.fetchValue("select count(*)::int from pg_locks where locktype = 'advisory'"))
        .isEqualTo(0);
    assertNothingIsLeftOnTheServersConnections();
  }

  private void transfer(Transactions once, Random random) {
    long from = 1L + random.nextInt(8);
    long to = 1L + random.nextInt(8);
    once.execute(
        tx -> {
          order.acquire(
              tx,
              REPORTS.name("day-" + random.nextInt(3)),
              REPORTS.name("day-" + random.nextInt(3)),
              ACCOUNTS.row(from),
              ACCOUNTS.row(to));
          tx.dsl().execute("update account set balance = balance - 1 where id = ?", from);
          tx.dsl().execute("update account set balance = balance + 1 where id = ?", to);
          if (random.nextInt(10) == 0) {
            tx.dsl().transaction(nested -> order.acquire(tx, ACCOUNTS.row(40L)));
          }
        });
  }

  private static void assertNothingIsLeftOnTheServersConnections() throws Exception {
    List<Connection> all = new ArrayList<>();
    try {
      for (int i = 0; i < SERVER_CONNECTIONS; i++) {
        Connection connection = pool().getConnection();
        all.add(connection);
        connection.setAutoCommit(false); // so that each has a server connection of its own
        try (var rows =
            connection
                .createStatement()
                .executeQuery(
                    "select current_setting('lock_timeout'),"
                        + " coalesce(current_setting('pgbelay.lock_epoch', true), '')")) {
          rows.next();
          assertThat(rows.getString(1)).isEqualTo("0");
          assertThat(rows.getString(2)).isEmpty();
        }
      }
    } finally {
      for (Connection each : all) {
        each.rollback();
        each.close();
      }
    }
  }

  @Test
  void rulesAndTimeouts_holdThroughThePooler() throws Exception {
    Transactions transactions = Transactions.of(pool());
    try (Connection holder = postgres.dataSource().getConnection();
        LockOrder watched = LockFixture.order().monitor(postgres.dataSource()).build()) {
      holder.setAutoCommit(false);
      holder.createStatement().execute("select id from account where id = 20 for update");
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      tx ->
                          watched.acquire(
                              tx,
                              LockOptions.defaults().waitAtMost(Duration.ofMillis(300)),
                              List.of(ACCOUNTS.row(19L), ACCOUNTS.row(20L)))))
          .isInstanceOfSatisfying(
              LockNotAvailableException.class, e -> assertThat(e.holders()).isEmpty());
      transactions.execute(
          tx -> {
            order.acquire(tx, ACCOUNTS.row(30L));
            assertThatThrownBy(() -> order.acquire(tx, ACCOUNTS.row(29L)))
                .isInstanceOf(LockRefusedException.class);
            tx.dsl().execute("savepoint s");
            order.acquire(tx, ACCOUNTS.row(35L));
            tx.dsl().execute("rollback to savepoint s");
            assertThat(order.acquire(tx, ACCOUNTS.row(33L)).locked()).hasSize(1);
          });
      holder.rollback();
    }
  }
}
