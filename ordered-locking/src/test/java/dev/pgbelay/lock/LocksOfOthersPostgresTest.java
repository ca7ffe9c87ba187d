package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static dev.pgbelay.lock.LockFixture.REPORTS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an order of locks does not reach: triggers, constraints, timeouts, those who keep none. */
class LocksOfOthersPostgresTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> {
        LockFixture.SCHEMA.initialize(dataSource);
        try (Connection connection = dataSource.getConnection()) {
          execute(
              connection,
              """
              create table total (id int primary key, n bigint not null);
              insert into total values (1, 0);
              create function add_up() returns trigger language plpgsql as
                $$ begin update total set n = n + 1 where id = 1; return new; end $$;
              create trigger add_up after update on account
                for each row execute function add_up();
              create table booking (during int4range, exclude using gist (during with &&));
              """);
        }
      };

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private final LockOrder order = LockFixture.order().build();

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static void isDeadlock(Throwable failure) {
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.DEADLOCK);
  }

  /** Never the victim. */
  private static void patient(Interleaving.Session session) throws Exception {
    session.run(c -> execute(c, "set local deadlock_timeout = '1min'"));
  }

  @Test
  void triggerThatLocksOtherRows_deadlocksBehindTheOrder_unlessTheyAreLockedFirst()
      throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      patient(a);
      a.run(c -> execute(c, "update total set n = 0 where id = 1"));
      b.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(1L)));
      var crossing = a.start("account", c -> order.acquire(Tx.join(c), ACCOUNTS.row(1L)));
      crossing.awaitBlockedBy(b);
      assertThatThrownBy(
              () -> b.run(c -> execute(c, "update account set balance = 1 where id = 1")))
          .satisfies(LocksOfOthersPostgresTest::isDeadlock);
      b.rollback();
      crossing.get();
      a.rollback();

      a.run(c -> execute(c, "select 1 from total where id = 1 for no key update"));
      var waits =
          b.start(
              "the total first",
              c -> {
                execute(c, "select 1 from total where id = 1 for no key update");
                return order.acquire(Tx.join(c), ACCOUNTS.row(1L));
              });
      waits.awaitBlockedBy(a);
      a.run(
          c -> {
            order.acquire(Tx.join(c), ACCOUNTS.row(1L));
            execute(c, "update account set balance = 1 where id = 1");
          });
      a.rollback();
      assertThat(waits.get().locked()).hasSize(1);
      b.rollback();
    }
  }

  @Test
  void insertsUnderAnExclusionConstraint_deadlockCrosswise_unlessANameIsLockedFirst()
      throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      patient(a);
      a.run(c -> execute(c, "insert into booking values ('[1,5)')"));
      b.run(c -> execute(c, "insert into booking values ('[5,9)')"));
      var crossing =
          a.start(
              "across",
              c -> {
                execute(c, "insert into booking values ('[6,8)')");
                return true;
              });
      crossing.awaitBlockedBy(b);
      assertThatThrownBy(() -> b.run(c -> execute(c, "insert into booking values ('[2,3)')")))
          .satisfies(LocksOfOthersPostgresTest::isDeadlock);
      b.rollback();
      crossing.get();
      a.rollback();

      a.run(c -> order.acquire(Tx.join(c), REPORTS.name("room 7")));
      var waits = b.start("name", c -> order.acquire(Tx.join(c), REPORTS.name("room 7")));
      waits.awaitBlockedBy(a);
      a.run(
          c -> {
            execute(c, "insert into booking values ('[1,5)')");
            execute(c, "insert into booking values ('[6,8)')");
          });
      a.rollback();
      assertThat(waits.get().locked()).hasSize(1);
      b.rollback();
    }
  }

  @Test
  void waitShorterThanDeadlockTimeout_showsADeadlockAsATimeout() throws Exception {
    assertThat(crossed(Duration.ofMillis(200), "1min")).isEqualTo(FailureKind.LOCK_TIMEOUT);
    assertThat(crossed(Duration.ofSeconds(30), "50ms")).isEqualTo(FailureKind.DEADLOCK);
  }

  /** What becomes of an acquire that meets somebody who goes the other way. */
  private FailureKind crossed(Duration wait, String deadlockTimeout) throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session unordered = script.session("unordered");
      Interleaving.Session ordered = script.session("ordered");
      patient(unordered);
      unordered.run(c -> execute(c, "select 1 from account where id = 2 for update"));
      ordered.run(
          c -> {
            execute(c, "set local deadlock_timeout = '" + deadlockTimeout + "'");
            order.acquire(Tx.join(c), ACCOUNTS.row(1L));
          });
      var crossing =
          unordered.start(
              "the other way",
              c -> {
                execute(c, "select 1 from account where id = 1 for update");
                return true;
              });
      crossing.awaitBlockedBy(ordered);
      FailureKind[] kind = {FailureKind.OTHER};
      ordered.run(
          c -> {
            try {
              order.acquire(
                  Tx.join(c), LockOptions.defaults().waitAtMost(wait), List.of(ACCOUNTS.row(2L)));
            } catch (RuntimeException e) {
              kind[0] = Failures.classify(e);
            }
          });
      ordered.rollback();
      crossing.get();
      unordered.rollback();
      return kind[0];
    }
  }

  @Test
  void transactionThatDeadlocksEachTime_isGivenUpAfterItsAttempts() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session other = script.session("other");
      AtomicInteger attempts = new AtomicInteger();
      Queue<Interleaving.Step<Boolean>> crossings = new ArrayDeque<>();
      TxOptions options =
          TxOptions.builder()
              .retry(
                  TxOptions.Retry.defaults()
                      .withMaxAttempts(3)
                      .withMaxElapsed(Duration.ofMinutes(2))
                      .withPauses(Duration.ofMillis(1), Duration.ofMillis(5)))
              .setting("deadlock_timeout", "20ms")
              .build();
      assertThatThrownBy(
              () ->
                  Transactions.of(postgres.dataSource())
                      .execute(
                          options,
                          tx -> {
                            // The last attempt's may still hold row 2 and wait for row 1.
                            if (attempts.getAndIncrement() > 0) {
                              crossings.remove().get();
                            }
                            order.acquire(tx, ACCOUNTS.row(1L));
                            patient(other);
                            other.run(
                                c -> execute(c, "select 1 from account where id = 2 for update"));
                            crossings.add(
                                other.start(
                                    "the other way",
                                    c -> {
                                      execute(c, "select 1 from account where id = 1 for update");
                                      c.rollback();
                                      return true;
                                    }));
                            crossings.element().awaitBlocked();
                            order.acquire(tx, ACCOUNTS.row(2L));
                          }))
          .satisfies(LocksOfOthersPostgresTest::isDeadlock);
      assertThat(attempts).hasValue(3);
    }
  }
}
