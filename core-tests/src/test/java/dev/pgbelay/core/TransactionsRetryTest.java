package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Whole transactions run again, by kind, with the conflicts forced and not hoped for. */
@ExtendWith(PostgresExtension.class)
@Timeout(60)
class TransactionsRetryTest {
  private final PostgresDatabase database;
  private final DataSource dataSource;
  private final MeterRegistry registry = new SimpleMeterRegistry();
  private final ExecutorService threads = Executors.newCachedThreadPool();

  TransactionsRetryTest(PostgresDatabase database) {
    this.database = database;
    this.dataSource = database.dataSource();
  }

  @BeforeEach
  void makeTable() throws SQLException {
    execute(
        "DROP TABLE IF EXISTS account;"
            + " CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);"
            + " INSERT INTO account VALUES (1, 100), (2, 100)");
  }

  @AfterEach
  void stopThreads() {
    threads.shutdownNow();
  }

  private Transactions transactions() {
    return Transactions.builder(dataSource).name("test").meterRegistry(registry).build();
  }

  private void execute(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private int number(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getInt(1);
    }
  }

  private void awaitLockWaits(int sessions) {
    await()
        .atMost(Duration.ofSeconds(20))
        .pollInterval(Duration.ofMillis(5))
        .until(
            () ->
                number(
                        "SELECT count(*) FROM pg_stat_activity"
                            + " WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    >= sessions);
  }

  private double retries(String kind) {
    return registry.get("pgbelay.core.retries").tag("kind", kind).counter().count();
  }

  @Test
  void deadlock_isRetriedAsWholeAndBothSidesCommit() throws Exception {
    Transactions transactions = transactions();
    CountDownLatch bothHoldOne = new CountDownLatch(2);
    AtomicInteger runs = new AtomicInteger();
    Future<?>[] sides = new Future<?>[2];
    for (int side = 0; side < 2; side++) {
      int first = 1 + side;
      int second = 2 - side;
      sides[side] =
          threads.submit(
              () -> {
                transactions.execute(
                    TxOptions.forPath("transfer"),
                    tx -> {
                      runs.incrementAndGet();
                      add(tx, first);
                      bothHoldOne.countDown();
                      bothHoldOne.await();
                      add(tx, second);
                    });
                return null;
              });
    }
    for (Future<?> side : sides) {
      side.get();
    }

    assertThat(number("SELECT sum(balance) FROM account")).isEqualTo(204);
    assertThat(runs).hasValueGreaterThan(2);
    assertThat(retries("deadlock")).isGreaterThanOrEqualTo(1);
    assertThat(
            registry
                .get("pgbelay.core.transactions")
                .tag("path", "transfer")
                .tag("outcome", "committed")
                .timer()
                .count())
        .isEqualTo(2);
    assertThat(
            registry
                .get("pgbelay.core.transactions")
                .tag("outcome", "rolled_back")
                .tag("kind", "deadlock")
                .timer()
                .count())
        .isGreaterThanOrEqualTo(1);
  }

  private static void add(Tx tx, int account) {
    tx.dsl().execute("update account set balance = balance + 1 where id = ?", account);
  }

  @Test
  void updateThatWaitedForAnother_failsUnderRepeatableReadAndSucceedsOnItsSecondRun()
      throws Exception {
    Transactions transactions = transactions();
    TxOptions repeatable =
        TxOptions.builder().path("move").isolation(TxOptions.Isolation.REPEATABLE_READ).build();
    try (Connection other = database.connect()) {
      other.setAutoCommit(false);
      try (Statement statement = other.createStatement()) {
        statement.execute("UPDATE account SET balance = balance + 10 WHERE id = 1");
      }
      Future<Commit<Integer>> ours =
          threads.submit(
              () ->
                  transactions.commit(
                      repeatable,
                      tx -> {
                        add(tx, 1);
                        return 7;
                      }));
      awaitLockWaits(1);
      other.commit();

      assertThat(ours.get().attempts()).isEqualTo(2);
      assertThat(ours.get().value()).isEqualTo(7);
    }
    assertThat(number("SELECT balance FROM account WHERE id = 1")).isEqualTo(111);
    assertThat(retries("serialization_failure")).isEqualTo(1);
  }

  @Test
  void failureAfterNoRetryAfterThis_reachesTheCallerThoughItsKindIsRetried() {
    AtomicInteger runs = new AtomicInteger();
    Throwable failure =
        catchThrowable(
            () ->
                transactions()
                    .execute(
                        tx -> {
                          runs.incrementAndGet();
                          tx.noRetryAfterThis();
                          tx.dsl().execute("do $$ begin raise sqlstate '40001'; end $$");
                        }));
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.SERIALIZATION_FAILURE);
    assertThat(runs).hasValue(1);
  }

  @Test
  void pauseBetweenRuns_endsByAnInterrupt() throws Exception {
    TxOptions patient =
        TxOptions.builder()
            .path("patient")
            .retry(
                TxOptions.Retry.defaults()
                    .withMaxElapsed(Duration.ofHours(1))
                    .withPauses(Duration.ofMinutes(30), Duration.ofMinutes(30)))
            .build();
    AtomicReference<Thread> runner = new AtomicReference<>(Thread.currentThread());
    CountDownLatch failed = new CountDownLatch(1);
    AtomicInteger runs = new AtomicInteger();
    Future<Throwable> failure =
        threads.submit(
            () -> {
              runner.set(Thread.currentThread());
              return catchThrowable(
                  () ->
                      transactions()
                          .execute(
                              patient,
                              tx -> {
                                runs.incrementAndGet();
                                failed.countDown();
                                tx.dsl().execute("do $$ begin raise sqlstate '40001'; end $$");
                              }));
            });
    failed.await();
    Thread running = Objects.requireNonNull(runner.get());
    await().until(() -> running.getState() == Thread.State.TIMED_WAITING);
    running.interrupt();

    assertThat(Failures.classify(failure.get())).isEqualTo(FailureKind.SERIALIZATION_FAILURE);
    assertThat(runs).hasValue(1);
  }

  @Test
  void retries_shareTheDeadline() {
    AtomicInteger runs = new AtomicInteger();
    long start = System.nanoTime();
    Throwable failure =
        catchThrowable(
            () ->
                transactions()
                    .execute(
                        TxOptions.builder()
                            .path("hurried")
                            .deadline(Duration.ofSeconds(2))
                            .retry(
                                TxOptions.Retry.defaults()
                                    .withMaxAttempts(100)
                                    .withPauses(Duration.ofMillis(50), Duration.ofMillis(100)))
                            .build(),
                        tx -> {
                          runs.incrementAndGet();
                          tx.dsl().execute("do $$ begin raise sqlstate '40001'; end $$");
                        }));
    assertThat(failure).isNotNull();
    assertThat(runs).hasValueGreaterThan(2);
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
  }

  @Test
  void failuresOfEarlierRuns_areKeptWithTheLast() {
    AtomicInteger runs = new AtomicInteger();
    Throwable failure =
        catchThrowable(
            () ->
                transactions()
                    .execute(
                        TxOptions.builder()
                            .retry(
                                TxOptions.Retry.defaults()
                                    .withMaxAttempts(3)
                                    .withPauses(Duration.ofMillis(1), Duration.ofMillis(1)))
                            .build(),
                        tx -> {
                          String state = runs.incrementAndGet() == 3 ? "22012" : "40001";
                          tx.dsl().execute("do $$ begin raise sqlstate '" + state + "'; end $$");
                        }));
    assertThat(runs).hasValue(3);
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.INVALID_DATA);
    assertThat(failure.getSuppressed())
        .anySatisfy(
            each ->
                assertThat(Failures.classify(each)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
  }

  @Test
  void lockTimeoutAndNowait_areToldApart() throws SQLException {
    try (Connection other = database.connect()) {
      other.setAutoCommit(false);
      try (Statement statement = other.createStatement()) {
        statement.execute("UPDATE account SET balance = 0 WHERE id = 1");
      }
      TxOptions options = TxOptions.builder().lockTimeout(Duration.ofMillis(50)).build();
      assertThat(
              Failures.classify(
                  catchThrowable(() -> transactions().execute(options, tx -> add(tx, 1)))))
          .isEqualTo(FailureKind.LOCK_TIMEOUT);
      assertThat(
              Failures.classify(
                  catchThrowable(
                      () ->
                          transactions()
                              .execute(
                                  options,
                                  tx ->
                                      tx.dsl()
                                          .execute(
                                              "select * from account where id = 1 for update"
                                                  + " nowait")))))
          .isEqualTo(FailureKind.LOCK_NOT_AVAILABLE);
      other.rollback();
    }
  }

  @Test
  void sessionKilledInTheWork_isRetriedOnAnotherConnection() throws SQLException {
    AtomicInteger runs = new AtomicInteger();
    Commit<Integer> commit =
        transactions()
            .commit(
                TxOptions.forPath("killed"),
                tx -> {
                  add(tx, 1);
                  if (runs.incrementAndGet() == 1) {
                    tx.dsl().execute("select pg_terminate_backend(pg_backend_pid())");
                  }
                  return runs.get();
                });
    assertThat(commit.attempts()).isEqualTo(2);
    assertThat(number("SELECT balance FROM account WHERE id = 1")).isEqualTo(101);
    assertThat(retries("connection_lost")).isEqualTo(1);
  }

  @Test
  void refusals_areCountedByPath() throws Exception {
    Transactions bounded =
        Transactions.builder(dataSource)
            .name("test")
            .meterRegistry(registry)
            .bulkhead("export", 1, Duration.ZERO)
            .build();
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch leave = new CountDownLatch(1);
    Future<?> export =
        threads.submit(
            () -> {
              bounded.execute(
                  TxOptions.forPath("export"),
                  tx -> {
                    inside.countDown();
                    leave.await();
                  });
              return null;
            });
    inside.await();
    Throwable refusal =
        catchThrowable(() -> bounded.execute(TxOptions.forPath("export"), tx -> add(tx, 1)));
    leave.countDown();
    export.get();

    assertThat(Failures.classify(refusal)).isEqualTo(FailureKind.BULKHEAD_FULL);
    assertThat(refusal).hasMessageContaining("'export'");
    assertThat(
            registry
                .get("pgbelay.core.bulkhead.refusals")
                .tag("name", "test")
                .tag("path", "export")
                .counter()
                .count())
        .isEqualTo(1);
  }

  @Test
  void failingHook_isCountedAndTheCommitStands() throws SQLException {
    AtomicInteger hooks = new AtomicInteger();
    transactions()
        .execute(
            TxOptions.forPath("hooked"),
            tx -> {
              add(tx, 1);
              tx.afterCommit(
                  commit -> {
                    throw new IllegalStateException("broken on purpose");
                  });
              tx.afterCommit(commit -> hooks.incrementAndGet());
            });
    assertThat(hooks).hasValue(1);
    assertThat(number("SELECT balance FROM account WHERE id = 1")).isEqualTo(101);
    assertThat(registry.get("pgbelay.core.hook.failures").tag("path", "hooked").counter().count())
        .isEqualTo(1);
  }
}
