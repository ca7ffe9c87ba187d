package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static dev.pgbelay.lock.LockFixture.BALANCE;
import static dev.pgbelay.lock.LockFixture.REPORTS;
import static dev.pgbelay.lock.LockFixture.SEATS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an order locks, says and leaves behind. */
class LockOrderPostgresTest {
  private static final List<String> SENT = new CopyOnWriteArrayList<>();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(LockFixture.SCHEMA)
          .withObserver(new SentStatements(SENT));

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final MeterRegistry meters = new SimpleMeterRegistry();
  private final LockOrder order = LockFixture.order().meterRegistry(meters).build();
  private final UUID show = UUID.randomUUID();

  @BeforeEach
  void seats() {
    dsl.execute("insert into seat select ?::uuid, i from generate_series(1, 20) i", show);
  }

  private List<Resource> everything() {
    List<Resource> all = new ArrayList<>();
    for (long i = 50; i >= 1; i--) {
      all.add(ACCOUNTS.row(i));
      all.add(ACCOUNTS.row(i));
    }
    for (int i = 20; i >= 1; i--) {
      all.add(SEATS.row(show, i));
    }
    for (int i = 30; i >= 1; i--) {
      all.add(REPORTS.name("report-" + i));
    }
    return all;
  }

  @Test
  void hundredResourcesOfThreeClasses_areLockedInThreeRoundTrips() {
    transactions.execute(tx -> order.acquire(tx, everything()));
    SENT.clear();

    Acquired acquired = transactions.run(tx -> order.acquire(tx, everything()));

    assertThat(acquired.locked()).hasSize(100);
    assertThat(acquired.isComplete()).isTrue();
    assertThat(SENT.stream().filter(sql -> !sql.contains("COMMIT"))).hasSize(3);
    assertThat(SENT.subList(0, 3))
        .satisfiesExactly(
            sql -> assertThat(sql).startsWith("/* pgbelay.lock reports names */"),
            sql -> assertThat(sql).startsWith("/* pgbelay.lock seat NO_KEY_UPDATE */"),
            sql -> assertThat(sql).startsWith("/* pgbelay.lock account NO_KEY_UPDATE */"));
    assertThat(meters.get("pgbelay.lock.acquire").tag("outcome", "acquired").timer().count())
        .isEqualTo(2);
    assertThat(meters.get("pgbelay.lock.locked").tag("class", "account").counter().count())
        .isEqualTo(100);
  }

  @Test
  void lockedRows_cannotBeChangedByOthersUntilTheTransactionEnds() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session other = script.session("other");
      holder.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(7L)));
      var update =
          other.start(
              "update",
              c ->
                  c.createStatement()
                      .executeUpdate("update account set balance = balance + 1 where id = 7"));
      update.awaitBlockedBy(holder);
      holder.commit();
      assertThat(update.get()).isEqualTo(1);
      other.rollback();
    }
  }

  @Test
  void rowsAreReturned_asTheyAreNowThatTheyAreLocked() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session reader = script.session("reader");
      writer.run(
          c -> c.createStatement().executeUpdate("update account set balance = 777 where id = 3"));
      var read =
          reader.start(
              "acquire",
              c ->
                  order.acquire(
                      Tx.join(c),
                      LockFixture.PATIENT.returningRows(),
                      List.of(ACCOUNTS.row(4L), ACCOUNTS.row(3L), ACCOUNTS.row(2L))));
      read.awaitBlockedBy(writer);
      writer.commit();
      List<? extends Record> rows = read.get().rows(ACCOUNTS);
      assertThat(rows.stream().map(row -> row.get(LockFixture.ACCOUNT_ID)))
          .containsExactly(2L, 3L, 4L);
      assertThat(rows.get(1).get(BALANCE)).isEqualTo(777L);
      reader.rollback();
      dsl.execute("update account set balance = 100 where id = 3");
    }
  }

  @Test
  void rowsOfAKnownTable_haveItsFields() {
    transactions.execute(
        tx -> {
          Acquired acquired =
              order.acquire(
                  tx,
                  LockFixture.PATIENT.returningRows().missing(LockOptions.Missing.REPORT),
                  List.of(SEATS.row(show, 2), SEATS.row(show, 1), SEATS.row(show, 99)));
          assertThat(acquired.rows(SEATS).getValues(LockFixture.NUMBER)).containsExactly(1, 2);
          assertThat(acquired.missing()).containsExactly(SEATS.row(show, 99));
          assertThat(acquired.locked())
              .containsExactlyInAnyOrder(SEATS.row(show, 1), SEATS.row(show, 2));
        });
  }

  @Test
  void missingRows_areAnErrorUnlessSaidOtherwise() {
    assertThatThrownBy(
            () ->
                transactions.execute(tx -> order.acquire(tx, ACCOUNTS.row(1L), ACCOUNTS.row(-1L))))
        .isInstanceOf(MissingRowsException.class)
        .hasMessageContaining("account (-1)")
        .satisfies(
            e ->
                assertThat(((MissingRowsException) e).missing())
                    .containsExactly(ACCOUNTS.row(-1L)));
    assertThat(meters.get("pgbelay.lock.acquire").tag("outcome", "missing").timer().count())
        .isEqualTo(1);
    transactions.execute(
        tx -> {
          LockOptions ignore = LockFixture.PATIENT.missing(LockOptions.Missing.IGNORE);
          Acquired acquired = order.acquire(tx, ignore, List.of(ACCOUNTS.row(-1L)));
          assertThat(acquired.missing()).isEmpty();
          assertThat(acquired.locked()).isEmpty();
        });
  }

  @Test
  void settingsOfTheTransaction_areAsBefore() {
    transactions.execute(
        TxOptions.builder().lockTimeout(Duration.ofSeconds(3)).build(),
        tx -> {
          order.acquire(tx, REPORTS.name("a"), ACCOUNTS.row(1L));
          order.acquire(tx, LockFixture.PATIENT.returningRows(), List.of(ACCOUNTS.row(2L)));
          order.acquire(
              tx,
              LockFixture.PATIENT.returningRows().missing(LockOptions.Missing.REPORT),
              List.of(ACCOUNTS.row(500L)));
          assertThat(setting(tx.dsl(), "lock_timeout")).isEqualTo("3s");
        });
    transactions.execute(
        tx -> {
          assertThat(setting(tx.dsl(), "pgbelay.lock_epoch")).isNullOrEmpty();
          order.acquire(tx, ACCOUNTS.row(1L));
          assertThat(setting(tx.dsl(), "lock_timeout")).isEqualTo("0");
        });
  }

  private static String setting(DSLContext dsl, String name) {
    return dsl.fetchValue("select current_setting(?, true)", name).toString();
  }

  @Test
  void shorterLockTimeoutOfTheTransaction_holds() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(9L)));
      long began = System.nanoTime();
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      TxOptions.builder().lockTimeout(Duration.ofMillis(50)).build(),
                      tx ->
                          order.acquire(
                              tx,
                              LockOptions.defaults().waitAtMost(Duration.ofMinutes(1)),
                              List.of(ACCOUNTS.row(9L)))))
          .isInstanceOf(LockNotAvailableException.class);
      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(50));
    }
  }

  @Test
  void timeout_namesTheHolderAndSinceWhen() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource());
        LockOrder watched =
            LockFixture.order().monitor(postgres.dataSource()).meterRegistry(meters).build()) {
      Interleaving.Session holder = script.session("holder");
      int[] pid = new int[1];
      holder.run(
          c -> {
            c.createStatement().execute("set local application_name = 'the-holder'");
            try (var row = c.createStatement().executeQuery("select pg_backend_pid()")) {
              row.next();
              pid[0] = row.getInt(1);
            }
            order.acquire(Tx.join(c), ACCOUNTS.row(11L));
          });
      // The look comes before the timeout by a little; where it was late, the next one tells.
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .untilAsserted(() -> assertThat(timedOut(watched).holders()).isNotEmpty());
      LockNotAvailableException e = Objects.requireNonNull(timedOut.get());
      assertThat(e.kind()).isEqualTo(FailureKind.LOCK_TIMEOUT);
      assertThat(Failures.classify(e)).isEqualTo(FailureKind.LOCK_TIMEOUT);
      assertThat(e.lockClass()).isEqualTo("account");
      assertThat(e.holders())
          .singleElement()
          .satisfies(
              found -> {
                assertThat(found.pid()).isEqualTo(pid[0]);
                assertThat(found.application()).contains("the-holder");
                assertThat(found.state()).contains("idle in transaction");
                assertThat(found.waiting()).isFalse();
                assertThat(found.transactionOpenFor()).isPresent();
              });
      assertThat(e).hasMessageContaining("the-holder").hasMessageContaining("PT1S");
      assertThat(meters.get("pgbelay.lock.acquire").tag("outcome", "timeout").timer().count())
          .isPositive();
    }
  }

  private final AtomicReference<LockNotAvailableException> timedOut = new AtomicReference<>();

  private LockNotAvailableException timedOut(LockOrder watched) {
    LockOptions second = LockOptions.defaults().waitAtMost(Duration.ofSeconds(1));
    List<Resource> held = List.of(ACCOUNTS.row(10L), ACCOUNTS.row(11L));
    LockNotAvailableException failure =
        catchThrowableOfType(
            LockNotAvailableException.class,
            () -> transactions.execute(tx -> watched.acquire(tx, second, held)));
    timedOut.set(failure);
    return failure;
  }

  @Test
  void noWait_failsAtOnceAndSkipLocked_saysWhatItLeftOut() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), REPORTS.name("held"), ACCOUNTS.row(12L)));
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      tx ->
                          order.acquire(
                              tx, LockOptions.defaults().noWait(), List.of(ACCOUNTS.row(12L)))))
          .isInstanceOfSatisfying(
              LockNotAvailableException.class,
              e -> assertThat(e.kind()).isEqualTo(FailureKind.LOCK_NOT_AVAILABLE));
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      tx ->
                          order.acquire(
                              tx, LockOptions.defaults().noWait(), List.of(REPORTS.name("held")))))
          .isInstanceOf(LockNotAvailableException.class);
      Acquired some =
          transactions.run(
              tx ->
                  order.acquire(
                      tx,
                      LockOptions.defaults().skipLocked().missing(LockOptions.Missing.REPORT),
                      List.of(
                          ACCOUNTS.row(12L),
                          ACCOUNTS.row(13L),
                          ACCOUNTS.row(-5L),
                          REPORTS.name("held"),
                          REPORTS.name("free"))));
      assertThat(some.locked()).containsExactlyInAnyOrder(ACCOUNTS.row(13L), REPORTS.name("free"));
      assertThat(some.skipped()).containsExactlyInAnyOrder(ACCOUNTS.row(12L), REPORTS.name("held"));
      assertThat(some.missing()).containsExactly(ACCOUNTS.row(-5L));
      assertThat(meters.get("pgbelay.lock.acquire").tag("outcome", "not_available").timer().count())
          .isEqualTo(2);
      assertThat(meters.get("pgbelay.lock.acquire").tag("outcome", "partial").timer().count())
          .isEqualTo(1);
    }
  }

  @Test
  void timeoutKind_isRetriedWhereTheTransactionSaysSo() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> order.acquire(Tx.join(c), ACCOUNTS.row(14L)));
      TxOptions retrying =
          TxOptions.builder()
              .retry(TxOptions.Retry.defaults().withKinds(Set.of(FailureKind.LOCK_TIMEOUT)))
              .build();
      int[] attempts = new int[1];
      transactions.execute(
          retrying,
          tx -> {
            if (++attempts[0] == 2) {
              rollBack(holder);
            }
            order.acquire(
                tx,
                LockOptions.defaults().waitAtMost(Duration.ofMillis(100)),
                List.of(ACCOUNTS.row(14L)));
          });
      assertThat(attempts[0]).isEqualTo(2);
    }
  }

  private static void rollBack(Interleaving.Session session) {
    try {
      session.rollback();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void modes_areThoseOfTheServer() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      List<LockMode> modes = List.of(LockMode.values());
      for (LockMode held : modes) {
        holder.run(
            c -> order.acquire(Tx.join(c), ACCOUNTS.blockingReferences().mode(held).row(15L)));
        for (LockMode asked : modes) {
          Acquired got =
              transactions.run(
                  tx ->
                      order.acquire(
                          tx,
                          LockOptions.defaults().skipLocked(),
                          List.of(ACCOUNTS.blockingReferences().mode(asked).row(15L))));
          boolean compatible = modes.indexOf(held) + modes.indexOf(asked) < 3;
          assertThat(got.skipped().isEmpty()).as(held + " then " + asked).isEqualTo(compatible);
        }
        holder.rollback();
      }
    }
  }
}
