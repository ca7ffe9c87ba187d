package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNT;
import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static dev.pgbelay.lock.LockFixture.ACCOUNT_ID;
import static dev.pgbelay.lock.LockFixture.REPORTS;
import static dev.pgbelay.lock.LockFixture.SEATS;
import static dev.pgbelay.lock.LockFixture.by;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.lock.LockRefusedException.Reason;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Connection;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Bad input is refused by the name of what is wrong with it. */
class LockRefusalsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final LockOrder order = LockFixture.order().build();

  private static void refused(Reason reason, String message, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            LockRefusedException.class, e -> assertThat(e.reason()).isEqualTo(reason))
        .hasMessageContaining(message);
  }

  private void refusedByTheDatabase(
      Reason reason, String message, LockClass lockClass, Object... key) {
    LockOrder own = LockOrder.builder().rank(1, lockClass).build();
    refused(reason, message, () -> transactions.execute(tx -> own.acquire(tx, lockClass.row(key))));
  }

  @Test
  void unknownClass() {
    LockClass other = by("text", String.class);
    refused(
        Reason.UNKNOWN_CLASS,
        "'by_text' has no rank",
        () -> transactions.execute(tx -> order.acquire(tx, other.row("a"))));
    LockClass impostor = LockClass.rows("account", table(name("seat")), ACCOUNT_ID);
    refused(
        Reason.UNKNOWN_CLASS,
        "'account' has no rank",
        () -> transactions.execute(tx -> order.acquire(tx, impostor.row(1L))));
  }

  @Test
  void duplicateRanksAndClasses() {
    refused(
        Reason.DUPLICATE_RANK,
        "'seat' has rank 1, and so has 'account'",
        () -> LockOrder.builder().rank(1, ACCOUNTS).rank(1, SEATS));
    refused(
        Reason.DUPLICATE_CLASS,
        "'account' has a rank already",
        () -> LockOrder.builder().rank(1, ACCOUNTS).rank(2, ACCOUNTS));
    refused(
        Reason.DUPLICATE_CLASS,
        "same table as class 'account'",
        () ->
            LockOrder.builder()
                .rank(1, ACCOUNTS)
                .rank(2, LockClass.rows("again", ACCOUNT, ACCOUNT_ID)));
  }

  @Test
  @SuppressWarnings("NullAway") // null is what is tested
  void nullKeys() {
    refused(Reason.NULL_KEY, "key part 'id' is null", () -> ACCOUNTS.row((Object) null));
    refused(Reason.NULL_KEY, "key part 'number' is null", () -> SEATS.row(UUID.randomUUID(), null));
    refused(Reason.NULL_KEY, "'reports': the name is null", () -> REPORTS.name(null));
  }

  @Test
  void wrongKeys() {
    refused(
        Reason.WRONG_KEY_TYPE,
        "key part 'id' is a java.lang.Long, given a java.lang.Integer",
        () -> ACCOUNTS.row(1));
    refused(
        Reason.WRONG_KEY_TYPE,
        "has the parts [show, number], 1 given",
        () -> SEATS.row(UUID.randomUUID()));
    refused(Reason.WRONG_KEY_TYPE, "is of names", () -> REPORTS.row(1L));
    refused(Reason.WRONG_KEY_TYPE, "is of rows", () -> ACCOUNTS.name("1"));
    refused(Reason.WRONG_KEY_TYPE, "NUL", () -> REPORTS.name("a\0b"));
    LockClass text = by("text", String.class);
    LockOrder own = LockOrder.builder().rank(1, text).build();
    refused(
        Reason.WRONG_KEY_TYPE,
        "NUL",
        () -> transactions.execute(tx -> own.acquire(tx, text.row("a\0b"))));
  }

  @Test
  void sameNameWithKeysOfAnotherType_isAnotherClass() {
    LockClass asText = LockClass.rows(ACCOUNT, field(name("id"), String.class));
    refused(
        Reason.UNKNOWN_CLASS,
        "'account' has no rank",
        () -> transactions.execute(tx -> order.acquire(tx, asText.row("1"))));
  }

  @Test
  void numbersThatTheColumnCannotHold() {
    LockFixture.dsl(postgres.dataSource())
        .execute("create table if not exists whole (id int primary key)");
    LockClass longs = LockClass.rows(table(name("whole")), field(name("id"), Long.class));
    refusedByTheDatabase(Reason.WRONG_KEY_TYPE, "no integer", longs, 3_000_000_000L);
    refusedByTheDatabase(Reason.WRONG_KEY_TYPE, "no integer", longs, -2_147_483_649L);
    LockClass big = LockClass.rows(ACCOUNT, field(name("id"), BigInteger.class));
    refusedByTheDatabase(Reason.WRONG_KEY_TYPE, "no bigint", big, BigInteger.ONE.shiftLeft(63));
    LockClass decimal = LockClass.rows(ACCOUNT, field(name("id"), BigDecimal.class));
    refusedByTheDatabase(Reason.WRONG_KEY_TYPE, "no bigint", decimal, new BigDecimal("1.00"));
  }

  @Test
  void timesThatTheServerTakesForEqual_areOneRow() {
    Instant at = Instant.parse("2026-01-01T00:00:00Z");
    LockFixture.dsl(postgres.dataSource())
        .execute("insert into by_time values ('2026-01-01T00:00:00Z') on conflict do nothing");
    LockClass times = by("time", Instant.class);
    LockOrder own = LockOrder.builder().rank(1, times).build();
    transactions.execute(
        tx -> {
          own.acquire(tx, times.mode(LockMode.SHARE).row(at.plusNanos(100)));
          refused(
              Reason.STRONGER_MODE,
              "is held in a weaker mode",
              () -> own.acquire(tx, times.mode(LockMode.UPDATE).row(at.plusNanos(200))));
        });
  }

  @Test
  void tablesThatCannotBeLockedIn() {
    LockFixture.dsl(postgres.dataSource())
        .execute(
            "create table if not exists late (id int, unique (id) deferrable initially deferred)");
    refusedByTheDatabase(
        Reason.KEY_NOT_UNIQUE,
        "not deferrable",
        LockClass.rows(table(name("late")), field(name("id"), Integer.class)),
        1);
    refusedByTheDatabase(
        Reason.NOT_FOUND, "no such table", LockClass.rows(table(name("nowhere")), ACCOUNT_ID), 1L);
    refusedByTheDatabase(
        Reason.NOT_FOUND,
        "columns [nothing]",
        LockClass.rows(ACCOUNT, field(name("nothing"), Long.class)),
        1L);
    refusedByTheDatabase(
        Reason.NOT_FOUND,
        "not a table",
        LockClass.rows(table(name("account_view")), ACCOUNT_ID),
        1L);
    refusedByTheDatabase(
        Reason.KEY_NOT_UNIQUE,
        "[id] of \"no_unique\" is not unique",
        LockClass.rows(table(name("no_unique")), field(name("id"), Integer.class)),
        1);
  }

  @Test
  void forUpdateOfAReferencedTable_needsTheWord() {
    LockClass update = ACCOUNTS.mode(LockMode.UPDATE);
    refused(
        Reason.REFERENCED_TABLE,
        "FOR UPDATE on \"account\" stops every insert into entry",
        () -> transactions.execute(tx -> order.acquire(tx, update.row(1L))));
    transactions.execute(tx -> order.acquire(tx, update.blockingReferences().row(1L)));
    transactions.execute(
        tx ->
            order.acquire(
                tx,
                LockFixture.PATIENT.missing(LockOptions.Missing.IGNORE),
                List.of(SEATS.mode(LockMode.UPDATE).row(UUID.randomUUID(), 1))));
  }

  @Test
  void secondAcquireOfKeysThatOnlyTheServerCompares_isRefused() {
    LockClass icu = by("icu", String.class);
    LockFixture.dsl(postgres.dataSource())
        .execute("insert into by_icu values ('a'), ('b') on conflict do nothing");
    LockOrder own = LockOrder.builder().rank(1, icu).build();
    transactions.execute(
        tx -> {
          own.acquire(tx, icu.row("a"));
          assertThat(own.acquire(tx, icu.row("a")).locked()).hasSize(1);
          refused(
              Reason.ORDER_NOT_KNOWN,
              "only the server can compare",
              () -> own.acquire(tx, icu.row("b")));
        });
  }

  @Test
  void keysInMessages_areShownOnlyIfTheyCannotBeSecrets() {
    assertThat(by("text", String.class).row("ada@example.org").toString()).isEqualTo("by_text (…)");
    assertThat(ACCOUNTS.row(7L)).hasToString("account (7)");
  }

  @Test
  void optionsAndNames_outOfRange() {
    assertThatThrownBy(() -> LockOptions.defaults().waitAtMost(Duration.ZERO))
        .hasMessageContaining("longestWait must be between");
    assertThatThrownBy(() -> LockClass.names("no spaces"))
        .hasMessageContaining("class 'no spaces'");
    assertThatThrownBy(() -> LockClass.rows(ACCOUNT)).hasMessageContaining("no primary key");
    assertThatThrownBy(() -> REPORTS.mode(LockMode.SHARE)).hasMessageContaining("no mode");
    assertThatThrownBy(() -> LockOrder.builder().name("No Name")).hasMessageContaining("No Name");
  }

  @Test
  void autocommit_isRefused() throws Exception {
    try (Connection connection = postgres.dataSource().getConnection()) {
      assertThatThrownBy(() -> order.acquire(Tx.join(connection), ACCOUNTS.row(1L)))
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.MISUSE));
      assertThatThrownBy(
              () ->
                  order.acquire(
                      Tx.join(DSL.using(connection, org.jooq.SQLDialect.POSTGRES)),
                      ACCOUNTS.row(1L)))
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.MISUSE));
    }
  }
}
