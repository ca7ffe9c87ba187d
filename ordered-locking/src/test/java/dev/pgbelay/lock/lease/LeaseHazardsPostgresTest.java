package dev.pgbelay.lock.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionAbortedException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;

/** What goes wrong around leases: clocks, keep-alives, pools, old snapshots. */
@Timeout(300)
class LeaseHazardsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LeaseFixture.SCHEMA);

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
  private final String name = LeaseFixture.freshName();
  private final List<LeaseLock> opened = new CopyOnWriteArrayList<>();

  private LeaseLock open(LeaseLock.Builder builder) {
    LeaseLock lock = builder.pollInterval(Duration.ofMillis(20)).build();
    opened.add(lock);
    return lock;
  }

  private LeaseLock.Builder builder(String holder) {
    return LeaseLock.builder(transactions, keepAlive).name(holder).holder(holder);
  }

  @AfterEach
  void close() {
    opened.forEach(LeaseLock::close);
  }

  private Instant renewedAt(LeaseLock lock, String lease) {
    return lock.find(lease).orElseThrow().renewedAt().orElseThrow();
  }

  /** What the row looks like after the database's clock went by so much. */
  private void clockWent(String interval) {
    dsl.execute(
        "update pgbelay.lease set lease_until = lease_until - ?::interval,"
            + " renewed_at = renewed_at - ?::interval, acquired_at = acquired_at - ?::interval"
            + " where name = ?",
        interval,
        interval,
        interval,
        name);
  }

  @Test
  void clockOfTheDatabaseSetBack_isHealedByTheNextRenewalOrByAnOperator() {
    LeaseLock holder = open(builder("holder").duration(Duration.ofSeconds(15)));
    LeaseLock other = open(builder("other"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    clockWent("-1 hour");
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () ->
                other.find(name).orElseThrow().remaining().orElse(Duration.ZERO).toSeconds() <= 15
                    && lease.remaining().toMillis() > 0);
    transactions.execute(lease::guard);
    holder.close(); // it is abandoned, and the clock goes back once more
    clockWent("-1 hour");
    assertThat(other.tryAcquire(name)).as("longer than it should be, never shorter").isEmpty();
    assertThat(other.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.RELEASED);
    assertThat(other.tryAcquire(name).orElseThrow().fencingToken())
        .isGreaterThan(lease.fencingToken());
  }

  @Test
  void clockOfTheDatabaseSetForward_costsTheLeaseAndTheGuardSaysSo() {
    LeaseLock holder = open(builder("holder"));
    LeaseLock other = open(builder("other"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    holder.close(); // a renewal in between would heal it
    clockWent("1 hour");
    Lease successor = other.tryAcquire(name).orElseThrow();
    assertThatThrownBy(() -> transactions.execute(lease::guard))
        .isInstanceOf(LeaseLostException.class);
    transactions.execute(successor::guard);
    assertThat(successor.fencingToken()).isGreaterThan(lease.fencingToken());
  }

  @Test
  void expiryInTheMiddleOfAGuardedTransaction_changesNothingUntilItsCommit() throws Exception {
    LeaseLock holder = open(builder("holder"));
    LeaseLock other = open(builder("other"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    holder.close(); // no renewals
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session work = script.session("work");
      work.run(
          c -> {
            lease.guard(Tx.join(c));
            elsewhere(() -> clockWent("1 hour"));
            c.createStatement().execute("update resource set value = 'late but guarded'");
            elsewhere(() -> assertThat(other.tryAcquire(name)).isEmpty());
          });
      work.commit();
    }
    assertThat(dsl.fetchValue("select value from resource")).isEqualTo("late but guarded");
    assertThat(other.tryAcquire(name)).isPresent();
  }

  @Test
  void guardOnASnapshotFromBeforeTheLeasePassedOn_isRefused() {
    LeaseLock holder = open(builder("holder"));
    LeaseLock other = open(builder("other"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    holder.close(); // a renewal in between would keep it from passing on
    TxOptions repeatable =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .retry(TxOptions.Retry.none())
            .build();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    repeatable,
                    tx -> {
                      assertThat(tx.dsl().fetchValue("select count(*)::int from pgbelay.lease"))
                          .isNotNull();
                      elsewhere(
                          () -> {
                            clockWent("1 hour");
                            assertThat(other.tryAcquire(name)).isPresent();
                          });
                      lease.guard(tx);
                    }))
        .satisfies(
            e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
  }

  @Test
  void guardOnASnapshotFromBeforeTheGrant_doesNotGiveTheLeaseUp() {
    LeaseLock holder = open(builder("holder"));
    Lease[] granted = new Lease[1];
    TxOptions repeatable =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .retry(TxOptions.Retry.none())
            .build();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    repeatable,
                    tx -> {
                      tx.dsl().fetch("select 1 from pgbelay.lease");
                      elsewhere(() -> granted[0] = holder.tryAcquire(name).orElseThrow());
                      granted[0].guard(tx);
                    }))
        .satisfies(
            e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
    assertThat(granted[0].remaining()).isPositive();
    transactions.execute(repeatable, granted[0]::guard);
  }

  @Test
  void lossThatIsSwallowed_stillCommitsNothing() {
    LeaseLock holder = open(builder("holder"));
    LeaseLock other = open(builder("other"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    assertThat(other.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.RELEASED);
    dsl.execute("update resource set value = 'before'");
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      tx.dsl().execute("update resource set value = 'of a stale holder'");
                      try {
                        lease.guard(tx);
                      } catch (LeaseLostException swallowed) {
                        assertThat(swallowed.lease()).isEqualTo(name);
                      }
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThat(dsl.fetchValue("select value from resource")).isEqualTo("before");
  }

  @Test
  void clientStoppedBeforeItsCommit_blocksNobodyForLong() throws Exception {
    LeaseSql sql = new LeaseSql("pgbelay");
    LeaseOperatorSql operator = new LeaseOperatorSql("pgbelay");
    Fence fence = Claimant.random().next();
    Duration lease = Duration.ofSeconds(30);
    Duration patience = Duration.ofSeconds(1); // of the stopped client alone, who is to lose
    LeaseLock other = open(builder("other").patience(Duration.ofSeconds(30)));
    List<Consumer<DSLContext>> stops =
        List.of(
            c -> sql.take(c, name, fence, lease, "stopped", patience),
            c -> assertThat(sql.renew(c, name, fence, lease, patience)).isTrue(),
            c -> assertThat(sql.release(c, name, fence, patience)).isTrue(),
            c -> assertThat(operator.forceRelease(c, name, patience)).isTrue());
    for (Consumer<DSLContext> stop : stops) {
      if (stop != stops.get(0)) {
        transactions.execute(
            tx -> sql.take(tx.dsl(), name, fence, lease, "stopped", Duration.ofSeconds(30)));
      }
      try (HikariDataSource process = pool(postgres.jdbcUrl())) {
        Connection stopped = process.getConnection();
        stopped.setAutoCommit(false);
        int pid = stopped.unwrap(PGConnection.class).getBackendPID();
        stop.accept(DSL.using(stopped, SQLDialect.POSTGRES));
        other.tryAcquire(name).ifPresent(Lease::release); // does not wait for ever
        Awaitility.await()
            .atMost(Duration.ofSeconds(60))
            .until(() -> backendsOf(pid) == 0); // without a word from the client
        dsl.execute(
            "update pgbelay.lease set lease_until = now() - interval '1 s' where name = ?"
                + " and claimant is not null",
            name);
        other.tryAcquire(name).orElseThrow().release();
        stopped.abort(Runnable::run);
      }
    }
  }

  @Test
  void clientThatTakesNothingOfALargeAnswer_losesItsGuardedLease() throws Exception {
    LeaseLock holder = open(builder("holder").duration(Duration.ofSeconds(5)));
    LeaseLock other = open(builder("other"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    CountDownLatch frozen = new CountDownLatch(1);
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource slow = pool(proxy.jdbcUrl(postgres.database().name()))) {
      Thread reader =
          new Thread(
              () ->
                  Transactions.of(slow)
                      .execute(
                          tx -> {
                            lease.guard(tx);
                            proxy.freeze(FaultProxy.Direction.TO_CLIENT);
                            frozen.countDown();
                            tx.dsl()
                                .fetch("select repeat('x', 100000) from generate_series(1, 1000)");
                          }));
      reader.setUncaughtExceptionHandler((t, e) -> {});
      reader.start();
      frozen.await();
      holder.close(); // its process is stopped: no renewals either
      other.acquire(name, Duration.ofMinutes(2)).release();
      proxy.thaw();
      reader.join();
    }
  }

  private int backendsOf(int pid) {
    return dsl.fetchSingle("select count(*)::int from pg_stat_activity where pid = ?", pid)
        .get(0, Integer.class);
  }

  private static HikariDataSource pool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(1);
    return new HikariDataSource(config);
  }

  @Test
  void closedWhileSomebodyWaits_grantsNothingMore() throws Exception {
    LeaseLock holder = open(builder("holder"));
    LeaseLock waiting = open(builder("waiting"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    CompletableFuture<Lease> acquire =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return waiting.acquire(name, Duration.ofSeconds(30));
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    waiting.close();
    lease.release();
    assertThatThrownBy(acquire::join).hasStackTraceContaining("are closed");
    assertThat(holder.find(name).orElseThrow().state()).isEqualTo(LeaseInfo.State.FREE);
  }

  @Test
  void listenerThatBlocks_doesNotStopTheRenewalsOfOthers() {
    CountDownLatch never = new CountDownLatch(1);
    LeaseLock holder =
        open(
            builder("holder")
                .duration(Duration.ofSeconds(12))
                .onLost(
                    lost -> {
                      try {
                        never.await();
                      } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                      }
                    }));
    LeaseLock other = open(builder("other"));
    assertThat(holder.tryAcquire(name)).isPresent();
    String kept = LeaseFixture.freshName();
    assertThat(holder.tryAcquire(kept)).isPresent();
    Instant granted = renewedAt(other, kept);
    assertThat(other.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.RELEASED);
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> renewedAt(other, kept).isAfter(granted.plusMillis(5_000)));
    never.countDown();
  }

  @Test
  void renewals_goByTheNameAndNotThroughTheTable() throws Exception {
    dsl.execute(
        "insert into pgbelay.lease (name, fencing_token) select 'idle-' || i, i"
            + " from generate_series(1, 20000) i");
    dsl.execute("analyze pgbelay.lease");
    LeaseSql sql = new LeaseSql("pgbelay");
    Fence fence = Claimant.random().next();
    transactions.execute(
        tx -> sql.take(tx.dsl(), name, fence, Duration.ofSeconds(30), "h", Duration.ofSeconds(30)));
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      for (int i = 0; i < 12; i++) {
        assertThat(
                sql.renewAll(connection, List.of(name), List.of(fence), Duration.ofSeconds(9))
                    .renewed())
            .containsExactly(fence);
      }
      try (var row =
          connection
              .createStatement()
              .executeQuery(
                  "select seq_scan, idx_scan from pg_stat_xact_user_tables where relname = 'lease'")) {
        row.next();
        assertThat(row.getLong(1)).as("sequential scans").isZero();
        assertThat(row.getLong(2)).isPositive();
      }
      connection.rollback();
    }
    dsl.execute("delete from pgbelay.lease where name like 'idle-%'");
  }

  @Test
  void guardOnASnapshotFromBeforeARenewal_holds() {
    LeaseLock holder = open(builder("holder"));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    TxOptions repeatable =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .retry(TxOptions.Retry.none())
            .build();
    transactions.execute(
        repeatable,
        tx -> {
          assertThat(tx.dsl().fetchValue("select count(*)::int from pgbelay.lease")).isNotNull();
          elsewhere(lease::renew);
          lease.guard(tx);
        });
  }

  private static void elsewhere(Runnable work) {
    CompletableFuture.runAsync(work).join();
  }

  @Test
  void shorterIdleTimeoutOfTheTransaction_isNotMadeLonger() {
    LeaseLock holder = open(builder("holder").duration(Duration.ofSeconds(20)));
    Lease lease = holder.tryAcquire(name).orElseThrow();
    transactions.execute(
        tx -> {
          tx.dsl().execute("set local idle_in_transaction_session_timeout = '19s'");
          lease.guard(tx);
          assertThat(
                  tx.dsl()
                      .fetchValue("select current_setting('idle_in_transaction_session_timeout')"))
              .isEqualTo("19s");
          tx.dsl().execute("set local idle_in_transaction_session_timeout = '1h'");
          lease.guard(tx);
          assertThat(
                  tx.dsl()
                      .fetchValue("select current_setting('idle_in_transaction_session_timeout')"))
              .isEqualTo("20s");
        });
  }

  @Test
  void keepAliveThatCannotStart_isNotALeaseThatNobodyKeeps() {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    LeaseLock first = open(builder("twin").meterRegistry(meters));
    LeaseLock second = open(builder("twin").meterRegistry(meters));
    LeaseLock other = open(builder("other"));
    assertThat(first.tryAcquire(LeaseFixture.freshName())).isPresent();
    for (int i = 0; i < 2; i++) {
      assertThatThrownBy(() -> second.tryAcquire(name))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("twin");
      assertThat(other.find(name).orElseThrow().state()).isEqualTo(LeaseInfo.State.FREE);
    }
  }

  @Test
  void listenerThatThrowsAnError_doesNotEndTheKeepAliveOfOthers() {
    LeaseLock holder =
        open(
            builder("holder")
                .duration(Duration.ofSeconds(12))
                .onLost(
                    lost -> {
                      throw new StackOverflowError("in a listener");
                    }));
    LeaseLock other = open(builder("other"));
    assertThat(holder.tryAcquire(name)).isPresent();
    String kept = LeaseFixture.freshName();
    Lease lease = holder.tryAcquire(kept).orElseThrow();
    Instant granted = renewedAt(other, kept);
    assertThat(other.forceRelease(name)).isEqualTo(LeaseLock.ForceOutcome.RELEASED);
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> renewedAt(other, kept).isAfter(granted.plusMillis(5_000)));
    Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> lease.remaining().toMillis() > 0);
    transactions.execute(lease::guard);
  }

  @Test
  void keepAliveWithoutConnections_losesTheLeaseAndGoesOnWhenItHasOne() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    config.setConnectionTimeout(2_000);
    try (HikariDataSource small = new HikariDataSource(config)) {
      LeaseLock holder =
          open(
              LeaseLock.builder(transactions, small)
                  .name("holder")
                  .duration(Duration.ofSeconds(12)));
      LeaseLock other = open(builder("other"));
      Lease lease;
      try (Connection all = small.getConnection()) {
        assertThat(all.isValid(1)).isTrue();
        lease = holder.tryAcquire(name).orElseThrow();
        Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> lease.remaining().isZero());
        // Nobody has taken it yet, so what is guarded now may still be written.
        transactions.execute(lease::guard);
      }
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .until(() -> lease.remaining().toMillis() > 0);
      transactions.execute(
          tx -> {
            lease.guard(tx);
            elsewhere(() -> assertThat(other.tryAcquire(name)).isEmpty());
          });
    }
  }
}
