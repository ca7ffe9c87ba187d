package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static dev.pgbelay.lock.LockFixture.REPORTS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.lock.LockRefusedException.Reason;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.List;
import java.util.NavigableSet;
import java.util.Random;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jooq.Converter;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.SQLDataType;
import org.jooq.impl.TableImpl;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Several acquires in one transaction, some of which lock nothing. */
class LockRepeatedAcquiresPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final LockOrder order = LockFixture.order().build();

  @Test
  void acquireThatLockedNothing_isFollowedByOneThatDoes() throws Exception {
    LockOptions lenient = LockOptions.defaults().skipLocked().missing(LockOptions.Missing.REPORT);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), REPORTS.name("taken"), ACCOUNTS.row(3L)));
      transactions.execute(
          tx -> {
            assertThat(order.acquire(tx, lenient, List.of(REPORTS.name("taken"))).locked())
                .isEmpty();
            assertThat(order.acquire(tx, lenient, List.of(ACCOUNTS.row(-7L))).missing()).hasSize(1);
            assertThat(order.acquire(tx, lenient, List.of(ACCOUNTS.row(3L))).skipped()).hasSize(1);
            assertThat(order.acquire(tx, ACCOUNTS.row(4L)).locked()).hasSize(1);
            assertThat(
                    order
                        .acquire(tx, LockFixture.PATIENT.returningRows(), List.of(ACCOUNTS.row(4L)))
                        .rows(ACCOUNTS))
                .hasSize(1);
            assertThat(order.acquire(tx, ACCOUNTS.row(5L)).locked()).hasSize(1);
          });
    }
  }

  @Test
  void emptyRequest_isNothing() {
    transactions.execute(
        tx -> {
          assertThat(order.acquire(tx, List.of()).isComplete()).isTrue();
          order.acquire(tx, ACCOUNTS.row(1L));
          assertThat(order.acquire(tx, List.of()).locked()).isEmpty();
        });
  }

  @Test
  void settingWrittenByOthers_isNoticedAndNothingIsLocked() {
    transactions.execute(
        tx -> {
          tx.dsl().execute("set local pgbelay.lock_epoch = 'of somebody else'");
          assertThatThrownBy(() -> order.acquire(tx, ACCOUNTS.row(1L)))
              .isInstanceOfSatisfying(
                  LockRefusedException.class,
                  e -> assertThat(e.reason()).isEqualTo(Reason.OTHER_ORDER));
          assertThat(heldByOthersView()).isEmpty();
          assertThat(tx.dsl().fetchValue("select current_setting('lock_timeout')")).isEqualTo("0");
        });
  }

  @Test
  void settingThatLooksLikeTheNextNumber_locksNothingEither() {
    transactions.execute(
        tx -> {
          tx.dsl().execute("set local pgbelay.lock_epoch = '1'");
          assertThatThrownBy(() -> order.acquire(tx, ACCOUNTS.row(1L)))
              .isInstanceOfSatisfying(
                  LockRefusedException.class,
                  e -> assertThat(e.reason()).isEqualTo(Reason.OTHER_ORDER));
          assertThat(heldByOthersView()).isEmpty();
        });
  }

  @Test
  void transactionJoinedTwiceAfterARollbackToASavepoint_isStillOne() throws Exception {
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      Tx first = Tx.join(connection);
      Savepoint savepoint = connection.setSavepoint();
      assertThat(first.id()).isNotEmpty();
      connection.rollback(savepoint);
      order.acquire(first, ACCOUNTS.row(5L));
      assertThatThrownBy(() -> order.acquire(Tx.join(connection), ACCOUNTS.row(1L)))
          .isInstanceOfSatisfying(
              LockRefusedException.class,
              e -> assertThat(e.reason()).isEqualTo(Reason.DOWN_THE_ORDER));
      assertThat(heldByOthersView()).containsExactly(5L);
      connection.rollback();
    }
  }

  @Test
  void rowsThatCannotBeRead_areLockedAndNothingIsLockedBehindThem() {
    Field<String> unreadable =
        field(
            name("balance"),
            SQLDataType.BIGINT.asConvertedDataType(
                Converter.of(
                    Long.class,
                    String.class,
                    balance -> {
                      throw new IllegalStateException("unreadable");
                    },
                    Long::valueOf)));
    Table<Record> table = new Accounts(unreadable);
    LockClass accounts = LockClass.rows(table, LockFixture.ACCOUNT_ID);
    LockOrder own = LockOrder.builder().rank(1, accounts).build();
    transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              nested -> {
                                Tx inner = Tx.join(nested.dsl());
                                readInVain(own, inner, accounts);
                                assertThatThrownBy(() -> own.acquire(inner, accounts.row(1L)))
                                    .isInstanceOfSatisfying(
                                        LockRefusedException.class,
                                        e ->
                                            assertThat(e.reason())
                                                .isEqualTo(Reason.ORDER_NOT_KNOWN))
                                    .hasMessageContaining("roll back");
                                assertThat(heldByOthersView()).containsExactly(5L);
                                throw new IllegalStateException("enough");
                              }))
              .hasStackTraceContaining("enough");
          own.acquire(tx, accounts.row(1L));
          assertThat(heldByOthersView()).containsExactly(1L);
        });
  }

  private static final class Accounts extends TableImpl<Record> {
    private static final long serialVersionUID = 1;

    private Accounts(Field<String> balance) {
      super(name("account"));
      createField(name("id"), SQLDataType.BIGINT);
      createField(name("balance"), balance.getDataType());
    }
  }

  private static void readInVain(LockOrder order, Tx tx, LockClass accounts) {
    assertThatThrownBy(
            () -> order.acquire(tx, LockFixture.PATIENT.returningRows(), List.of(accounts.row(5L))))
        .hasStackTraceContaining("unreadable");
  }

  @Test
  void missingRowsThatAreIgnored_areNotComplete() {
    LockOptions lenient = LockFixture.PATIENT.missing(LockOptions.Missing.IGNORE);
    transactions.execute(
        tx -> {
          Acquired acquired = order.acquire(tx, lenient, ACCOUNTS.rows(List.of(1L, -8L)));
          assertThat(acquired.missing()).isEmpty();
          assertThat(acquired.isComplete()).isFalse();
          assertThat(order.acquire(tx, lenient, List.of(ACCOUNTS.row(2L))).isComplete()).isTrue();
        });
  }

  /** Against a set that knows what is held, with savepoints rolled back and released in between. */
  @Test
  void acquiresAndSavepointsAtRandom_agreeWithASet() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 30; round++) {
      transactions.execute(tx -> scramble(tx, random, new TreeSet<>(), 3, seed));
    }
  }

  private void scramble(Tx tx, Random random, NavigableSet<Long> held, int depth, long seed) {
    for (int step = 0; step < 6; step++) {
      if (depth > 0 && random.nextInt(3) == 0) {
        NavigableSet<Long> inner = new TreeSet<>(held);
        boolean back = random.nextBoolean();
        tx.dsl().execute("savepoint s" + depth);
        scramble(tx, random, inner, depth - 1, seed);
        tx.dsl().execute((back ? "rollback to savepoint s" : "release savepoint s") + depth);
        if (!back) {
          held.addAll(inner);
        }
        continue;
      }
      long asked = 1L + random.nextInt(50);
      boolean allowed = held.isEmpty() || held.contains(asked) || asked > held.last();
      boolean taken;
      try {
        order.acquire(tx, ACCOUNTS.row(asked));
        taken = true;
      } catch (LockRefusedException e) {
        assertThat(e.reason()).isEqualTo(Reason.DOWN_THE_ORDER);
        taken = false;
      }
      assertThat(taken).as("%d after %s, seed %d", asked, held, seed).isEqualTo(allowed);
      if (taken) {
        held.add(asked);
      }
      assertThat(heldByOthersView()).as("seed %d", seed).containsExactlyElementsOf(held);
    }
  }

  /** What another session finds locked. */
  private List<Long> heldByOthersView() {
    try (var other = postgres.dataSource().getConnection();
        var statement = other.createStatement();
        var rows =
            statement.executeQuery(
                """
                select id from account where id <= 50 and id not in (
                  select id from (select id from account for update skip locked) free)
                 order by id
                """)) {
      List<Long> ids = new java.util.ArrayList<>();
      while (rows.next()) {
        ids.add(rows.getLong(1));
      }
      return ids;
    } catch (java.sql.SQLException e) {
      throw new DataAccessException("look", e);
    }
  }

  @Test
  void transactionThatHasEnded_isNotRemembered() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    try (HikariDataSource one = new HikariDataSource(config)) {
      Transactions.of(one).execute(tx -> order.acquire(tx, ACCOUNTS.row(1L)));
      try (Connection same = one.getConnection()) {
        assertThat(HeldLocks.remembers(PgDriver.unwrap(same))).isFalse();
        same.setAutoCommit(false);
        order.acquire(Tx.join(same), ACCOUNTS.row(1L));
        assertThat(HeldLocks.remembers(PgDriver.unwrap(same))).isTrue();
        same.rollback();
      }
    }
  }

  @Test
  void nameUnderASnapshot_isRefusedAndTheTransactionGoesOn() {
    for (TxOptions.Isolation level :
        List.of(TxOptions.Isolation.REPEATABLE_READ, TxOptions.Isolation.SERIALIZABLE)) {
      transactions.execute(
          TxOptions.builder().isolation(level).build(),
          tx -> {
            assertThatThrownBy(() -> order.acquire(tx, REPORTS.name("snapshot")))
                .isInstanceOfSatisfying(
                    LockRefusedException.class,
                    e -> assertThat(e.reason()).isEqualTo(Reason.ISOLATION));
            assertThat(
                    tx.dsl()
                        .fetchValue(
                            "select count(*)::int from pg_locks where locktype = 'advisory'"))
                .isEqualTo(0);
            assertThat(order.acquire(tx, ACCOUNTS.row(2L)).locked()).hasSize(1);
          });
    }
  }

  @Test
  void secondAcquireOfOtherNames_isRefusedWhicheverTheyAre() {
    for (int i = 0; i < 20; i++) {
      String other = "other-" + i;
      transactions.execute(
          tx -> {
            order.acquire(tx, REPORTS.name("first"));
            assertThat(order.acquire(tx, REPORTS.name("first")).locked()).hasSize(1);
            assertThatThrownBy(() -> order.acquire(tx, REPORTS.name(other)))
                .isInstanceOfSatisfying(
                    LockRefusedException.class,
                    e -> assertThat(e.reason()).isEqualTo(Reason.ORDER_NOT_KNOWN));
          });
    }
  }

  @Test
  void timeout_saysWhatWasWaitedAndWhatToDo() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(7L)));
      LockOptions shortly = LockOptions.defaults().waitAtMost(Duration.ofMillis(300));
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      TxOptions.builder().deadline(Duration.ofMinutes(2)).build(),
                      tx -> order.acquire(tx, shortly, List.of(ACCOUNTS.row(7L)))))
          .satisfies(e -> assertThat(waited(e)).as(e.getMessage()).isGreaterThanOrEqualTo(300))
          .hasMessageContaining("of at most PT0.3S")
          .hasMessageContaining("waitAtMost")
          .hasMessageContaining("TxOptions.Retry");
    }
  }

  @Test
  void timeoutBeforeADeadline_saysWhatTheWaitWasAndNotWhatIsLeft() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(8L)));
      Duration[] left = new Duration[1];
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      TxOptions.builder().deadline(Duration.ofSeconds(3)).build(),
                      tx -> {
                        try {
                          order.acquire(tx, ACCOUNTS.row(8L));
                        } finally {
                          left[0] = tx.remaining().orElseThrow();
                        }
                      }))
          .isInstanceOf(LockNotAvailableException.class)
          .satisfies(e -> assertThat(longest(e)).isGreaterThan(left[0]));
    }
  }

  private static Duration longest(Throwable failure) {
    Matcher told = Pattern.compile("of at most (PT[0-9.]+S)").matcher(failure.getMessage());
    assertThat(told.find()).as(failure.getMessage()).isTrue();
    return Duration.parse(told.group(1));
  }

  private static int waited(Throwable failure) {
    Matcher told = Pattern.compile("was not to be had in (\\d+) ms").matcher(failure.getMessage());
    assertThat(told.find()).as(failure.getMessage()).isTrue();
    return Integer.parseInt(told.group(1));
  }
}
