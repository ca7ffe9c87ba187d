package dev.pgbelay.lock.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Leases between holders that are well. */
class LeaseLockPostgresTest {
  private static final List<String> SENT = new CopyOnWriteArrayList<>();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(LeaseFixture.SCHEMA)
          .withObserver(new LeaseFixture.Sent(SENT));

  private static HikariDataSource keepAlive;

  @BeforeAll
  static void openKeepAlive() {
    keepAlive = LeaseHolderProcess.pool(postgres.jdbcUrl(), 4);
  }

  @AfterAll
  static void closeKeepAlive() {
    keepAlive.close();
  }

  private final DSLContext dsl = LeaseFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final String name = LeaseFixture.freshName();
  private final List<LeaseLock> opened = new CopyOnWriteArrayList<>();

  private LeaseLock leases(String holder, Duration duration) {
    return leases(holder, duration, Duration.ofSeconds(30));
  }

  private LeaseLock leases(String holder, Duration duration, Duration patience) {
    LeaseLock lock =
        LeaseLock.builder(transactions, keepAlive)
            .name(holder)
            .holder(holder)
            .duration(duration)
            .pollInterval(Duration.ofMillis(20))
            .patience(patience)
            .meterRegistry(meters)
            .build();
    opened.add(lock);
    return lock;
  }

  private final LeaseLock a = leases("a", Duration.ofSeconds(20));
  private final LeaseLock b = leases("b", Duration.ofSeconds(20));

  @AfterEach
  void close() {
    opened.forEach(LeaseLock::close);
  }

  @Test
  void acquireAndRelease_areTwoRoundTripsEach() {
    a.tryAcquire("warm-up").orElseThrow().release();
    SENT.clear();
    Lease lease = a.tryAcquire(name).orElseThrow();
    assertThat(sentForWork()).as("the statement; the driver's COMMIT is no statement").hasSize(1);
    SENT.clear();
    assertThat(lease.release()).isEqualTo(Lease.ReleaseOutcome.RELEASED);
    assertThat(sentForWork()).hasSize(1);
  }

  private static List<String> sentForWork() {
    return SENT.stream().filter(sql -> !sql.contains("WITH asked AS")).toList();
  }

  @Test
  void held_isRefusedToOthersUntilReleased() throws Exception {
    Lease mine = a.tryAcquire(name).orElseThrow();
    assertThat(b.tryAcquire(name)).isEmpty();
    assertThatThrownBy(() -> b.acquire(name, Duration.ofMillis(100)))
        .isInstanceOfSatisfying(LeaseHeldException.class, e -> assertThat(e.holder()).contains("a"))
        .hasMessageContaining(name);
    CompletableFuture<Lease> waiting =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return b.acquire(name, Duration.ofSeconds(60));
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> asked("b", "held_elsewhere") >= 5);
    assertThat(waiting).isNotDone();
    mine.release();
    Lease theirs = waiting.get();
    assertThat(theirs.fencingToken()).isGreaterThan(mine.fencingToken());
    assertThat(asked("a", "granted")).isEqualTo(1);
    assertThat(mine.release()).isEqualTo(Lease.ReleaseOutcome.ALREADY_OVER);
    assertThat(theirs.release()).isEqualTo(Lease.ReleaseOutcome.RELEASED);
  }

  @Test
  void waitForEver_isNoOverflow() throws Exception {
    a.acquire(name, ChronoUnit.FOREVER.getDuration()).release();
    Lease mine = a.acquire(name, Duration.ofSeconds(Long.MIN_VALUE));
    assertThatThrownBy(() -> b.acquire(name, Duration.ofSeconds(Long.MIN_VALUE)))
        .isInstanceOf(LeaseHeldException.class);
    mine.release();
  }

  private double asked(String leases, String outcome) {
    return meters
        .get("pgbelay.lock.lease.asked")
        .tag("leases", leases)
        .tag("outcome", outcome)
        .counter()
        .count();
  }

  @Test
  void token_growsOverReleaseAndTakeover() {
    long last = 0;
    for (int i = 0; i < 5; i++) {
      Lease lease = (i % 2 == 0 ? a : b).tryAcquire(name).orElseThrow();
      assertThat(lease.fencingToken()).isGreaterThan(last);
      last = lease.fencingToken();
      lease.release();
    }
    assertThat(a.find(name).orElseThrow().fencingToken()).isEqualTo(last);
    assertThat(last >> 40).as("timeline in front").isEqualTo(1);
  }

  @Test
  void keepAlive_renewsAndNobodyElseGetsIt() {
    LeaseLock brief = leases("brief", Duration.ofSeconds(15)); // a renewal after 5 s
    Lease lease = brief.tryAcquire(name).orElseThrow();
    java.time.Instant granted = brief.find(name).orElseThrow().renewedAt().orElseThrow();
    assertThat(meters.get("pgbelay.lock.lease.held").tag("leases", "brief").gauge().value())
        .isEqualTo(1);
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(20))
        .until(
            () -> {
              assertThat(b.tryAcquire(name)).isEmpty();
              return brief.find(name).orElseThrow().renewedAt().orElseThrow().isAfter(granted);
            });
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> lease.remaining().compareTo(Duration.ZERO) > 0);
    assertThat(
            meters.get("pgbelay.background.success.age").tag("name", "lease-brief").gauge().value())
        .isNotNegative();
    lease.release();
    assertThat(lease.remaining()).isZero();
  }

  @Test
  void keepAlive_goesOnWhileTheWorksPoolIsExhausted() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    try (HikariDataSource work = new HikariDataSource(config);
        LeaseLock leases =
            LeaseLock.builder(Transactions.of(work), keepAlive)
                .duration(Duration.ofSeconds(15))
                .build()) {
      Lease lease = leases.tryAcquire(name).orElseThrow();
      java.time.Instant granted = a.find(name).orElseThrow().renewedAt().orElseThrow();
      try (Connection all = work.getConnection()) {
        assertThat(all.isValid(1)).isTrue();
        Awaitility.await()
            .atMost(Duration.ofSeconds(60))
            .until(() -> a.find(name).orElseThrow().renewedAt().orElseThrow().isAfter(granted));
        assertThat(b.tryAcquire(name)).isEmpty();
      }
      transactionGuarded(work, lease);
      lease.release();
    }
  }

  private static void transactionGuarded(HikariDataSource work, Lease lease) {
    Transactions.of(work).execute(lease::guard);
  }

  @Test
  void guard_keepsTheLeaseUntilTheCommitAndLetsRenewalsPass() throws Exception {
    LeaseLock brief = leases("brief", Duration.ofSeconds(30));
    LeaseLock impatient = leases("impatient", Duration.ofSeconds(30), Duration.ofMillis(500));
    Lease lease = brief.tryAcquire(name).orElseThrow();
    brief.close(); // no keep-alive any more
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      holder.run(c -> lease.guard(Tx.join(c)));
      lease.renew(); // a guard does not stop it
      dsl.execute(
          "update pgbelay.lease set lease_until = now() - interval '1 s' where name = ?", name);
      assertThat(b.find(name).orElseThrow().state()).isEqualTo(LeaseInfo.State.EXPIRED);
      assertThat(b.tryAcquire(name)).as("expired, but guarded").isEmpty();
      assertThat(impatient.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.GUARDED);
      holder.run(c -> c.createStatement().execute("update resource set value = 'kept'"));
      holder.commit();
      assertThat(b.tryAcquire(name)).isPresent();
      assertThatThrownBy(() -> holder.run(c -> lease.guard(Tx.join(c))))
          .isInstanceOf(LeaseLostException.class)
          .hasMessageContaining(name);
    }
    assertThat(meters.get("pgbelay.lock.lease.lost").tag("leases", "brief").counter().count())
        .isEqualTo(1);
  }

  @Test
  void guardOfOneThatExpiredAndNobodyTook_holds() {
    LeaseLock brief = leases("brief", Duration.ofSeconds(30));
    Lease lease = brief.tryAcquire(name).orElseThrow();
    brief.close();
    dsl.execute(
        "update pgbelay.lease set lease_until = now() - interval '1 s' where name = ?", name);
    transactions.execute(lease::guard);
    lease.renew();
    assertThat(b.tryAcquire(name)).isEmpty();
  }

  @Test
  void guard_boundsHowLongAStoppedHolderIsWaitedFor() {
    Lease lease = a.tryAcquire(name).orElseThrow();
    transactions.execute(
        tx -> {
          lease.guard(tx);
          assertThat(
                  tx.dsl()
                      .fetchValue("select current_setting('idle_in_transaction_session_timeout')"))
              .isEqualTo("20s");
        });
    transactions.execute(
        tx ->
            assertThat(
                    tx.dsl()
                        .fetchValue(
                            "select current_setting('idle_in_transaction_session_timeout')"))
                .isEqualTo("0"));
    lease.release();
  }

  @Test
  void forceRelease_isNoticedByTheHolder() {
    CountDownLatch told = new CountDownLatch(1);
    LeaseLock watched =
        LeaseLock.builder(transactions, keepAlive)
            .name("watched")
            .duration(Duration.ofMillis(900))
            .onLost(lost -> told.countDown())
            .meterRegistry(meters)
            .build();
    opened.add(watched);
    Lease lease = watched.tryAcquire(name).orElseThrow();
    assertThat(b.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.RELEASED);
    assertThat(b.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.NOT_HELD);
    Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> told.getCount() == 0);
    assertThat(lease.remaining()).isZero();
    assertThatThrownBy(lease::renew).isInstanceOf(LeaseLostException.class);
    assertThat(meters.get("pgbelay.lock.lease.lost").tag("leases", "watched").counter().count())
        .isEqualTo(1);
    assertThat(meters.get("pgbelay.lock.lease.held").tag("leases", "watched").gauge().value())
        .isZero();
  }

  @Test
  void list_showsWhoHasWhatAndForHowLong() {
    Lease lease = a.tryAcquire(name).orElseThrow();
    LeaseInfo info =
        b.list().stream().filter(each -> each.name().equals(name)).findFirst().orElseThrow();
    assertThat(info.state()).isEqualTo(LeaseInfo.State.HELD);
    assertThat(info.holder()).contains("a");
    assertThat(info.fencingToken()).isEqualTo(lease.fencingToken());
    assertThat(info.remaining().orElseThrow())
        .isBetween(Duration.ofMillis(1), Duration.ofSeconds(20));
    lease.release();
    assertThat(b.find(name).orElseThrow().state()).isEqualTo(LeaseInfo.State.FREE);
    assertThat(b.find("never-" + name)).isEmpty();
  }

  @Test
  void guardedWrite_remembersTheHighestTokenItHasSeen() {
    Field<Long> token = DSL.field(DSL.name("token"), SQLDataType.BIGINT);
    Field<String> value = DSL.field(DSL.name("value"), SQLDataType.CLOB);
    dsl.execute("update resource set token = null");
    Lease first = a.tryAcquire(name).orElseThrow();
    assertThat(write(first, token, value)).isEqualTo(1);
    assertThat(write(first, token, value)).isEqualTo(1);
    b.forceRelease(name);
    Lease second = b.tryAcquire(name).orElseThrow();
    assertThat(write(second, token, value)).isEqualTo(1);
    assertThat(write(first, token, value)).as("late").isZero();
  }

  private int write(Lease lease, Field<Long> token, Field<String> value) {
    return dsl.update(DSL.table("resource"))
        .set(value, lease.toString())
        .set(token, lease.fencingToken())
        .where(lease.isNewest(token))
        .execute();
  }

  @Test
  void manyContenders_holdOneAfterTheOther() throws Exception {
    int rounds = LeaseFixture.FULL ? 40 : 5;
    List<CompletableFuture<Void>> all = new CopyOnWriteArrayList<>();
    List<Long> tokens = new CopyOnWriteArrayList<>();
    java.util.concurrent.atomic.AtomicInteger inside =
        new java.util.concurrent.atomic.AtomicInteger();
    for (int i = 0; i < 4; i++) {
      LeaseLock own = leases("c" + i, Duration.ofSeconds(10));
      all.add(
          CompletableFuture.runAsync(
              () -> {
                for (int round = 0; round < rounds; round++) {
                  try (Lease lease = own.acquire(name, Duration.ofSeconds(30))) {
                    assertThat(inside.incrementAndGet()).isEqualTo(1);
                    tokens.add(lease.fencingToken());
                    inside.decrementAndGet();
                  } catch (InterruptedException e) {
                    throw new AssertionError(e);
                  }
                }
              },
              task -> new Thread(task).start()));
    }
    for (CompletableFuture<Void> one : all) {
      one.get();
    }
    assertThat(tokens).hasSize(4 * rounds).doesNotHaveDuplicates().isSorted();
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> a.tryAcquire("")).hasMessageContaining("1 to 500 characters");
    assertThatThrownBy(
            () -> LeaseLock.builder(transactions, keepAlive).duration(Duration.ofMillis(100)))
        .hasMessageContaining("duration must be between");
    assertThatThrownBy(() -> LeaseLock.builder(transactions, postgres.dataSource()).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("keepAlive of the leases 'default'")
        .hasMessageContaining("one of its own");
    try (LeaseLock nowhere =
        LeaseLock.builder(transactions, keepAlive).name("nowhere").schema("nowhere").build()) {
      for (ThrowingCallable question :
          List.<ThrowingCallable>of(
              () -> nowhere.tryAcquire(name),
              nowhere::list,
              () -> nowhere.find(name),
              () -> nowhere.forceRelease(name))) {
        assertThatThrownBy(question)
            .isInstanceOf(PgBelayException.class)
            .hasMessageContaining("the table of leases is missing")
            .hasMessageContaining("module \"lock\"")
            .hasMessageNotContaining("SELECT");
      }
    }
    a.close();
    assertThatThrownBy(() -> a.tryAcquire(name))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("closed");
  }
}
