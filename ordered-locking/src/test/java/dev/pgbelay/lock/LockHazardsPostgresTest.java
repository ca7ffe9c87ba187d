package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static dev.pgbelay.lock.LockFixture.REPORTS;
import static dev.pgbelay.lock.LockFixture.SEATS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.lock.LockRefusedException.Reason;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * What goes wrong with locks although they are sorted. Each is forced, and then told or stopped.
 */
class LockHazardsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final LockOrder order = LockFixture.order().meterRegistry(meters).build();

  private static int execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
      return statement.getUpdateCount();
    }
  }

  private void refused(Reason reason, Tx tx, Resource... resources) {
    assertThatThrownBy(() -> order.acquire(tx, resources))
        .isInstanceOfSatisfying(
            LockRefusedException.class, e -> assertThat(e.reason()).isEqualTo(reason));
  }

  private Acquired skipping(Resource... resources) {
    return transactions.run(
        TxOptions.builder().nesting(TxOptions.Nesting.INDEPENDENT).build(),
        tx -> order.acquire(tx, LockOptions.defaults().skipLocked(), List.of(resources)));
  }

  @Test
  void twoAcquires_secondDownTheOrderIsRefusedBeforeAnythingIsLocked() {
    transactions.execute(
        tx -> {
          order.acquire(tx, ACCOUNTS.row(5L));
          refused(Reason.DOWN_THE_ORDER, tx, ACCOUNTS.row(9L), ACCOUNTS.row(4L));
          refused(Reason.DOWN_THE_ORDER, tx, REPORTS.name("x"));
          assertThat(skipping(ACCOUNTS.row(4L), ACCOUNTS.row(9L), REPORTS.name("x")).skipped())
              .isEmpty();
          order.acquire(tx, ACCOUNTS.row(5L), ACCOUNTS.row(6L));
          assertThat(skipping(ACCOUNTS.row(6L)).skipped()).hasSize(1);
        });
    assertThat(meters.get("pgbelay.lock.refused").tag("reason", "down_the_order").counter().count())
        .isEqualTo(2);
  }

  @Test
  void advisoryAfterRows_isRefusedAsRowsWouldBe() {
    transactions.execute(
        tx -> {
          order.acquire(tx, SEATS.row(seat(), 1));
          refused(Reason.DOWN_THE_ORDER, tx, REPORTS.name("nightly"));
          order.acquire(tx, ACCOUNTS.row(1L));
        });
  }

  private UUID seat() {
    UUID show = UUID.randomUUID();
    dsl.execute("insert into seat values (?, 1)", show);
    return show;
  }

  @Test
  void shareThenUpdate_isRefusedWhereTwoOfThemWouldDeadlock() throws Exception {
    transactions.execute(
        tx -> {
          order.acquire(tx, ACCOUNTS.mode(LockMode.SHARE).row(20L));
          refused(Reason.STRONGER_MODE, tx, ACCOUNTS.row(20L));
          order.acquire(tx, ACCOUNTS.mode(LockMode.KEY_SHARE).row(20L));
        });
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      a.run(
          c -> {
            execute(c, "set local deadlock_timeout = '1min'"); // b is the victim
            order.acquire(Tx.join(c), ACCOUNTS.mode(LockMode.SHARE).row(20L));
          });
      b.run(c -> order.acquire(Tx.join(c), ACCOUNTS.mode(LockMode.SHARE).row(20L)));
      var upgrade =
          a.start("upgrade", c -> execute(c, "update account set balance = 1 where id = 20"));
      upgrade.awaitBlockedBy(b);
      assertThatThrownBy(
              () -> b.run(c -> execute(c, "update account set balance = 2 where id = 20")))
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.DEADLOCK));
      b.rollback();
      upgrade.get();
      a.rollback();
    }
  }

  @Test
  void rowsInSeveralModesAtOnce_areLockedInTheStrongest() {
    transactions.execute(
        tx -> {
          order.acquire(tx, ACCOUNTS.mode(LockMode.SHARE).row(21L), ACCOUNTS.row(22L));
          order.acquire(tx, ACCOUNTS.row(21L));
        });
  }

  @Test
  void savepointOfJooq_rolledBackReleasesAndIsForgotten() {
    transactions.execute(
        tx -> {
          order.acquire(tx, ACCOUNTS.row(30L));
          try {
            tx.dsl()
                .transaction(
                    nested -> {
                      order.acquire(Tx.join(nested.dsl()), ACCOUNTS.row(35L));
                      throw new IllegalStateException("back");
                    });
          } catch (IllegalStateException expected) {
            // rolled back to the savepoint
          }
          assertThat(skipping(ACCOUNTS.row(35L), ACCOUNTS.row(30L)).skipped())
              .containsExactly(ACCOUNTS.row(30L));
          order.acquire(tx, ACCOUNTS.row(32L)); // 35 is not held any more
          assertThat(skipping(ACCOUNTS.row(32L)).skipped()).hasSize(1);
          order.acquire(tx, ACCOUNTS.row(35L));
          assertThat(skipping(ACCOUNTS.row(35L)).skipped()).hasSize(1);
        });
  }

  @Test
  void savepointByJdbcAndByText_rolledBackLocksAgainWhatItReleased() throws Exception {
    try (Connection c = postgres.dataSource().getConnection()) {
      c.setAutoCommit(false);
      Tx tx = Tx.join(c);
      Savepoint savepoint = c.setSavepoint();
      order.acquire(tx, ACCOUNTS.row(36L));
      c.rollback(savepoint);
      assertThat(order.acquire(tx, ACCOUNTS.row(36L)).locked()).hasSize(1);
      assertThat(skipping(ACCOUNTS.row(36L)).skipped()).hasSize(1);
      execute(c, "savepoint s");
      order.acquire(tx, ACCOUNTS.row(40L));
      execute(c, "rollback to savepoint s");
      order.acquire(tx, ACCOUNTS.row(38L));
      execute(c, "savepoint kept");
      order.acquire(tx, ACCOUNTS.row(41L));
      execute(c, "release savepoint kept");
      refused(Reason.DOWN_THE_ORDER, tx, ACCOUNTS.row(39L));
      assertThat(skipping(ACCOUNTS.row(41L), ACCOUNTS.row(38L)).skipped()).hasSize(2);
      c.rollback();
      // The connection's next transaction holds nothing.
      Tx next = Tx.join(c);
      assertThat(order.acquire(next, ACCOUNTS.row(2L)).locked()).hasSize(1);
      c.rollback();
    }
  }

  @Test
  void acquireThatFailedInASavepoint_leavesNoTrace() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(44L)));
      transactions.execute(
          tx -> {
            order.acquire(tx, ACCOUNTS.row(42L));
            assertThatThrownBy(
                    () ->
                        tx.dsl()
                            .transaction(
                                nested ->
                                    order.acquire(
                                        Tx.join(nested.dsl()),
                                        LockOptions.defaults().noWait(),
                                        List.of(ACCOUNTS.row(43L), ACCOUNTS.row(44L)))))
                .isInstanceOf(LockNotAvailableException.class);
            assertThat(skipping(ACCOUNTS.row(43L)).skipped()).isEmpty();
            order.acquire(tx, ACCOUNTS.row(43L));
            assertThat(tx.dsl().fetchValue("select current_setting('lock_timeout')").toString())
                .isEqualTo("0");
          });
    }
  }

  @Test
  void rowDeletedWhileWaitedFor_isMissing() throws Exception {
    dsl.execute("insert into account values (101) on conflict do nothing");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session waiter = script.session("waiter");
      writer.run(c -> execute(c, "delete from account where id = 101"));
      LockOptions report = LockFixture.PATIENT.missing(LockOptions.Missing.REPORT);
      var acquire =
          waiter.start(
              "acquire",
              c ->
                  order.acquire(
                      Tx.join(c), report, List.of(ACCOUNTS.row(101L), ACCOUNTS.row(45L))));
      acquire.awaitBlockedBy(writer);
      writer.commit();
      assertThat(acquire.get().missing()).containsExactly(ACCOUNTS.row(101L));
      assertThat(acquire.get().locked()).containsExactly(ACCOUNTS.row(45L));
      waiter.rollback();
    }
  }

  @Test
  void keyThatWentToAnotherRowWhileWaitedFor_isRunAgainAndThenLocked() throws Exception {
    dsl.execute("insert into account values (102, 1), (103, 2) on conflict do nothing");
    int[] attempts = new int[1];
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session waiter = script.session("waiter");
      writer.run(
          c -> {
            execute(c, "update account set id = 104 where id = 102");
            execute(c, "update account set id = 102 where id = 103");
          });
      var acquire =
          waiter.startOwn(
              "acquire",
              () ->
                  Transactions.of(waiter.dataSource())
                      .run(
                          tx -> {
                            attempts[0]++;
                            return order.acquire(
                                tx,
                                LockFixture.PATIENT.returningRows(),
                                List.of(ACCOUNTS.row(102L)));
                          }));
      acquire.awaitBlockedBy(writer);
      writer.commit();
      assertThat(acquire.get().rows(ACCOUNTS).get(0).get(LockFixture.BALANCE)).isEqualTo(2L);
      assertThat(attempts[0]).isEqualTo(2);
      dsl.execute("delete from account where id > 100");
    }
  }

  @Test
  void rowInsertedWhileWaited_isNotTakenForMissing() throws Exception {
    dsl.execute("insert into account values (105) on conflict do nothing");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session waiter = script.session("waiter");
      writer.run(
          c -> {
            execute(c, "update account set balance = 1 where id = 46");
            execute(c, "insert into account values (47000)");
          });
      LockOptions report = LockFixture.PATIENT.missing(LockOptions.Missing.REPORT);
      var acquire =
          waiter.start(
              "acquire",
              c ->
                  order.acquire(
                      Tx.join(c), report, List.of(ACCOUNTS.row(46L), ACCOUNTS.row(47000L))));
      acquire.awaitBlockedBy(writer);
      writer.commit();
      assertThat(acquire.failure())
          .satisfies(
              e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
      waiter.rollback();
      dsl.execute("delete from account where id > 100");
    }
  }

  @Test
  void missingRow_isNotGuardedButANameIs() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      LockOptions report = LockFixture.PATIENT.missing(LockOptions.Missing.REPORT);
      a.run(c -> order.acquire(Tx.join(c), report, List.of(ACCOUNTS.row(900L))));
      b.run(c -> order.acquire(Tx.join(c), report, List.of(ACCOUNTS.row(900L)))); // both go on
      a.rollback();
      b.rollback();
      a.run(c -> order.acquire(Tx.join(c), REPORTS.name("account-900")));
      var second = b.start("name", c -> order.acquire(Tx.join(c), REPORTS.name("account-900")));
      second.awaitBlockedBy(a);
      a.commit();
      assertThat(second.get().locked()).hasSize(1);
      b.rollback();
    }
  }

  @Test
  void insertsOfTheSameUniqueKeysCrosswise_deadlockUnlessNamesAreLockedFirst() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      a.run(
          c -> {
            execute(c, "set local deadlock_timeout = '1min'"); // b is the victim
            execute(c, "insert into account values (201)");
          });
      b.run(c -> execute(c, "insert into account values (202)"));
      var crossing = a.start("202", c -> execute(c, "insert into account values (202)"));
      crossing.awaitBlockedBy(b);
      assertThatThrownBy(
              () ->
                  b.run(c -> execute(c, "insert into account values (201) on conflict do nothing")))
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.DEADLOCK));
      b.rollback();
      crossing.get();
      a.rollback();
      a.run(c -> order.acquire(Tx.join(c), REPORTS.name("201"), REPORTS.name("202")));
      var waits =
          b.start(
              "names", c -> order.acquire(Tx.join(c), REPORTS.name("202"), REPORTS.name("201")));
      waits.awaitBlockedBy(a);
      a.run(
          c -> {
            execute(c, "insert into account values (201)");
            execute(c, "insert into account values (202)");
          });
      a.rollback();
      assertThat(waits.get().locked()).hasSize(2);
      b.rollback();
    }
  }

  @Test
  void insertOfAChild_waitsForAParentLockedForUpdateOnly() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session parent = script.session("parent");
      Interleaving.Session child = script.session("child");
      String insert = "insert into entry (account) values (25)";
      parent.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(25L)));
      child.run(c -> execute(c, insert)); // does not wait
      child.rollback();
      parent.rollback();
      parent.run(
          c ->
              order.acquire(
                  Tx.join(c), ACCOUNTS.blockingReferences().mode(LockMode.UPDATE).row(25L)));
      var blocked = child.start("insert", c -> execute(c, insert));
      blocked.awaitBlockedBy(parent);
      parent.rollback();
      blocked.get();
      child.rollback();
    }
  }

  @Test
  void rowThatMovesToAnotherPartitionWhileWaitedFor_isRunAgain() throws Exception {
    dsl.execute("truncate spread; insert into spread values (1, 1), (2, 1), (3, 2)");
    LockClass spread =
        LockClass.rows(
            table(name("spread")),
            field(name("id"), Integer.class),
            field(name("region"), Integer.class));
    LockOrder partitioned = LockOrder.builder().rank(1, spread).build();
    int[] attempts = new int[1];
    LockOptions report = LockFixture.PATIENT.missing(LockOptions.Missing.REPORT);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session mover = script.session("mover");
      Interleaving.Session waiter = script.session("waiter");
      mover.run(c -> execute(c, "update spread set region = 2 where id = 2"));
      var acquire =
          waiter.startOwn(
              "acquire",
              () ->
                  Transactions.of(waiter.dataSource())
                      .run(
                          tx -> {
                            attempts[0]++;
                            return partitioned.acquire(
                                tx, report, List.of(spread.row(3, 2), spread.row(2, 1)));
                          }));
      acquire.awaitBlockedBy(mover);
      mover.commit();
      assertThat(acquire.get().locked()).containsExactly(spread.row(3, 2));
      assertThat(acquire.get().missing()).containsExactly(spread.row(2, 1));
      assertThat(attempts[0]).isEqualTo(2);
    }
  }

  @Test
  void repeatableRead_rowChangedMeanwhileIsRunAgain() throws Exception {
    int[] attempts = new int[1];
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session waiter = script.session("waiter");
      writer.run(c -> execute(c, "update account set balance = 5 where id = 26"));
      var acquire =
          waiter.startOwn(
              "acquire",
              () ->
                  Transactions.of(waiter.dataSource())
                      .run(
                          TxOptions.builder()
                              .isolation(TxOptions.Isolation.REPEATABLE_READ)
                              .build(),
                          tx -> {
                            attempts[0]++;
                            return order.acquire(tx, ACCOUNTS.row(26L));
                          }));
      acquire.awaitBlockedBy(writer);
      writer.commit();
      assertThat(acquire.get().locked()).hasSize(1);
      assertThat(attempts[0]).isEqualTo(2);
    }
  }

  @Test
  void deadlockAtCommit_ofDeferredConstraintsIsRunAgain() throws Exception {
    dsl.execute(
        """
        create table if not exists once (v int, constraint once_v unique (v) deferrable initially deferred);
        create or replace function touch() returns trigger language plpgsql as $$
        begin update account set balance = balance + 1 where id = new.v; return null; end $$;
        drop table if exists late;
        create table late (v int);
        create constraint trigger late_touch after insert on late deferrable initially deferred
          for each row execute function touch();
        """);
    AtomicInteger attempts = new AtomicInteger();
    CountDownLatch closed = new CountDownLatch(1);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session other = script.session("other");
      Interleaving.Session mine = script.session("mine");
      other.run(
          c -> {
            execute(c, "set local deadlock_timeout = '1min'"); // the other side is the victim
            order.acquire(Tx.join(c), ACCOUNTS.row(28L));
          });
      CountDownLatch locked = new CountDownLatch(1);
      var run =
          mine.startOwn(
              "run",
              () ->
                  Transactions.of(mine.dataSource())
                      .run(
                          tx -> {
                            attempts.incrementAndGet();
                            order.acquire(tx, ACCOUNTS.row(29L));
                            tx.dsl().execute("insert into late values (28)");
                            locked.countDown();
                            closed.await();
                            return true;
                          }));
      locked.await();
      var closing =
          other.start("close", c -> execute(c, "update account set balance = 0 where id = 29"));
      closing.awaitBlockedBy(mine);
      closed.countDown(); // what COMMIT wants now closes the circle
      assertThat(closing.get()).isEqualTo(1);
      other.commit();
      assertThat(run.get()).isTrue();
      assertThat(attempts).hasValueGreaterThan(1);
    }
  }

  @Test
  void nestedTransactionOnTheSamePool_isRefusedBeforeThePoolRunsDry() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      order.acquire(tx, ACCOUNTS.row(1L));
                      transactions.execute(inner -> order.acquire(inner, ACCOUNTS.row(2L)));
                    }))
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.MISUSE));
  }

  @Test
  void anotherOrderInTheSameTransaction_isRefused() {
    LockOrder other = LockFixture.order().build();
    transactions.execute(
        tx -> {
          order.acquire(tx, ACCOUNTS.row(1L));
          assertThatThrownBy(() -> other.acquire(tx, ACCOUNTS.row(2L)))
              .isInstanceOfSatisfying(
                  LockRefusedException.class,
                  e -> assertThat(e.reason()).isEqualTo(Reason.OTHER_ORDER));
        });
  }

  @Test
  void transfersInBothDirectionsAtOnce_neverDeadlock() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    int transfers = "full".equals(System.getProperty("pgbelay.scale")) ? 20_000 : 500;
    dsl.execute("update account set balance = 100 where id <= 5");
    Transactions once =
        Transactions.builder(postgres.dataSource()).retry(TxOptions.Retry.none()).build();
    List<Thread> threads =
        java.util.stream.IntStream.range(0, 8)
            .mapToObj(
                worker ->
                    new Thread(
                        () -> {
                          java.util.Random random = new java.util.Random(seed + worker);
                          for (int i = 0; i < transfers / 8; i++) {
                            long from = 1L + random.nextInt(5);
                            long to = 1L + random.nextInt(5);
                            once.execute(
                                tx -> {
                                  order.acquire(tx, ACCOUNTS.row(from), ACCOUNTS.row(to));
                                  tx.dsl()
                                      .execute(
                                          "update account set balance = balance - 1 where id = ?",
                                          from);
                                  tx.dsl()
                                      .execute(
                                          "update account set balance = balance + 1 where id = ?",
                                          to);
                                });
                          }
                        }))
            .toList();
    List<Throwable> failures = new java.util.concurrent.CopyOnWriteArrayList<>();
    threads.forEach(
        thread -> {
          thread.setUncaughtExceptionHandler((t, e) -> failures.add(e));
          thread.start();
        });
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(failures).as("deadlocks among them, seed " + seed).isEmpty();
    assertThat(dsl.fetchValue("select sum(balance)::bigint from account where id <= 5"))
        .isEqualTo(500L);
  }

  @Test
  void failureOfTheServer_isTheDriversExceptionAndCounted() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      try {
                        tx.dsl().execute("select nothing");
                      } catch (DataAccessException swallowed) {
                        order.acquire(tx, ACCOUNTS.row(1L));
                      }
                    }))
        .satisfies(
            e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.TRANSACTION_ABORTED));
    assertThat(meters.get("pgbelay.lock.acquire").tag("outcome", "failed").timer().count())
        .isEqualTo(1);
  }
}
