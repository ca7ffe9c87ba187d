package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.DONE;
import static dev.pgbelay.batch.chunk.ChunkFixture.ID;
import static dev.pgbelay.batch.chunk.ChunkFixture.ITEM;
import static dev.pgbelay.batch.chunk.ChunkFixture.effects;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.quick;
import static dev.pgbelay.batch.chunk.ChunkFixture.started;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.HeldTransaction;
import dev.pgbelay.testing.PostgresCluster;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every signal is provoked for real, on a cluster that has a replica and an archiver. */
@SuppressWarnings("NullAway.Init") // the statics are set before all tests
class ThrottleSignalPostgresTest {
  private static PostgresCluster cluster;
  private static HikariDataSource pool;

  private DSLContext dsl;
  private Transactions transactions;
  private final String job = freshName();

  @BeforeAll
  static void start() throws Exception {
    cluster =
        PostgresCluster.builder()
            .replicas(1)
            .serverConfig("archive_mode", "on")
            .serverConfig("archive_command", "/bin/true")
            .start();
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(cluster.primary().jdbcUrl());
    config.setMaximumPoolSize(6);
    pool = new HikariDataSource(config);
    ChunkFixture.SCHEMA.initialize(pool);
  }

  @AfterAll
  static void stop() {
    pool.close();
    cluster.close();
  }

  @BeforeEach
  void fillTable() {
    dsl = ChunkFixture.dsl(pool);
    transactions = Transactions.of(pool);
    fill(dsl, 500);
  }

  private static ConditionFactory await() {
    return Awaitility.await().atMost(Duration.ofSeconds(60)).pollInterval(Duration.ofMillis(10));
  }

  private CompletableFuture<ChunkReport> runWith(ThrottleSignal signal) {
    ChunkedJob built = effects(transactions, job).throttle(List.of(signal)).build();
    return started(built::run);
  }

  /** The job stands still with the reason in its row, and finishes once the cause is gone. */
  private void assertHeldUp(ThrottleSignal signal, String reason, AutoCloseable cause)
      throws Exception {
    await().until(() -> signal.reasonToWait(dsl, ITEM).isPresent());
    CompletableFuture<ChunkReport> running = runWith(signal);
    try (cause) {
      await().until(() -> throttledBy().filter(text -> text.contains(reason)).isPresent());
      JobControl.Status status = JobControl.of(transactions, job).status().orElseThrow();
      assertThat(status.throttledBy().orElseThrow()).startsWith(signal.name() + ": ");
      assertThat(status.running()).as("the lease is renewed while waiting").isTrue();
      assertThat(running.isDone()).isFalse();
    }
    ChunkReport report = running.get(60, TimeUnit.SECONDS);
    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.rows()).isEqualTo(500);
    assertThat(report.waited()).isPositive();
    assertThat(throttledBy()).isEmpty();
  }

  private Optional<String> throttledBy() {
    return JobControl.of(transactions, job).status().flatMap(JobControl.Status::throttledBy);
  }

  @Test
  void pausedReplica_holdsTheJobUp() throws Exception {
    cluster.replica().pauseReplay();
    dsl.execute("create table if not exists wal_filler (filler text)");
    dsl.execute(
        "insert into wal_filler select repeat(md5(i::text), 30) from generate_series(1, 3000) i");

    assertHeldUp(
        ThrottleSignal.replicaLag(Duration.ofHours(1), 1 << 20),
        "behind",
        () -> {
          cluster.replica().resumeReplay();
          cluster.replica().awaitCaughtUp();
        });
  }

  @Test
  void replicaThatIsSlow_holdsTheJobUpByTime() throws Exception {
    dsl.execute("create table if not exists written (id int)");
    cluster.replica().lag(Duration.ofSeconds(60));
    CompletableFuture<Integer> writes =
        started(
            () -> {
              int rows = 0;
              while (throttledBy().isEmpty()) {
                rows += dsl.execute("insert into written values (0)");
              }
              return rows;
            });

    assertHeldUp(
        ThrottleSignal.replicaLag(Duration.ofMillis(300), 1L << 40),
        "behind",
        () -> {
          cluster.replica().lag(Duration.ZERO);
          cluster.replica().awaitCaughtUp();
        });
    writes.get(60, TimeUnit.SECONDS);
  }

  @Test
  void vacuumOfTheTable_holdsTheJobUp() throws Exception {
    fill(dsl, 20_000);
    dsl.execute("update item set done = 1");
    Connection vacuuming = cluster.primary().connect();
    Statement statement = vacuuming.createStatement();
    statement.execute("set vacuum_cost_delay = 100");
    statement.execute("set vacuum_cost_limit = 5");
    CompletableFuture<Boolean> vacuum =
        started(
            () -> {
              try {
                return statement.execute("vacuum item");
              } catch (java.sql.SQLException cancelled) {
                return false;
              }
            });
    await()
        .until(() -> dsl.fetchCount(DSL.table("pg_stat_progress_vacuum")) > 0 || vacuum.isDone());
    assertThat(vacuum.isDone()).as("vacuum is at work").isFalse();
    try (Connection plain = cluster.primary().connect();
        Statement switching = plain.createStatement()) {
      switching.execute("create role sees_little");
      switching.execute("grant select on item to sees_little");
      switching.execute("set role sees_little");
      assertThat(ThrottleSignal.vacuum().reasonToWait(DSL.using(plain, SQLDialect.POSTGRES), ITEM))
          .hasValueSatisfying(reason -> assertThat(reason).contains("grant pg_monitor"));
    }
    ChunkedJob built =
        quick(ChunkedJob.over(transactions, job, ITEM).key(ID))
            .chunkRows(10_000, 1, 10_000)
            .update(Map.of(DONE, 2))
            .throttle(List.of(ThrottleSignal.vacuum()))
            .build();
    CompletableFuture<ChunkReport> running = started(built::run);

    await().until(() -> throttledBy().filter(text -> text.contains("vacuum of item")).isPresent());
    statement.cancel();
    vacuum.get(60, TimeUnit.SECONDS);
    vacuuming.close();

    assertThat(running.get(60, TimeUnit.SECONDS).rows()).isEqualTo(20_000);
  }

  @Test
  void failingArchiver_holdsTheJobUp() throws Exception {
    cluster.primary().configure("archive_command", "/bin/false");
    dsl.execute("select pg_switch_wal()");
    dsl.execute("insert into effect values (0)");
    dsl.execute("select pg_switch_wal()");
    await()
        .until(
            () ->
                dsl.fetch(
                        "select 1 from pg_stat_archiver"
                            + " where last_failed_time > coalesce(last_archived_time, '-infinity')")
                    .isNotEmpty());

    assertHeldUp(
        ThrottleSignal.archiving(1_000),
        "archiving fails since",
        () -> cluster.primary().configure("archive_command", "/bin/true"));
  }

  @Test
  void segmentsThatWaitForTheArchiver_holdTheJobUp() throws Exception {
    Path busy = Files.createTempFile("archiver", "busy");
    cluster
        .primary()
        .configure("archive_command", "while [ -e " + busy + " ]; do sleep 0.05; done");
    for (int i = 0; i < 3; i++) {
      dsl.execute("insert into effect values (0)");
      dsl.execute("select pg_switch_wal()");
    }

    assertHeldUp(
        ThrottleSignal.archiving(1),
        "segments wait to be archived",
        () -> {
          Files.delete(busy);
          cluster.primary().configure("archive_command", "/bin/true");
        });
  }

  @Test
  void oldSnapshot_holdsTheJobUp() throws Exception {
    HeldTransaction held = cluster.primary().holdTransaction("postgres", "select 1");

    assertHeldUp(
        ThrottleSignal.oldSnapshot(Duration.ofMillis(200), 10_000_000),
        "session " + held.pid() + " holds a snapshot or writes since",
        held);
  }

  @Test
  void sessionIdleAfterAWrite_isSeenThoughItHoldsNoSnapshot() throws Exception {
    ThrottleSignal signal = ThrottleSignal.oldSnapshot(Duration.ofMillis(50), 10_000_000);
    try (Connection idle = cluster.primary().connect()) {
      idle.setAutoCommit(false);
      try (Statement statement = idle.createStatement()) {
        statement.execute("insert into effect values (0)");
      }
      await().until(() -> signal.reasonToWait(dsl, ITEM).isPresent());
      idle.rollback();
    }
    assertThat(signal.reasonToWait(dsl, ITEM)).isEmpty();
  }

  @Test
  void oldSnapshotOfAnotherDatabase_doesNotHoldTheJobUp() throws Exception {
    dsl.execute("create database elsewhere");
    ThrottleSignal signal = ThrottleSignal.oldSnapshot(Duration.ofMillis(1), 10_000_000);

    try (HeldTransaction held = cluster.primary().holdTransaction("elsewhere", "select 1")) {
      await()
          .until(
              () ->
                  dsl.fetch(
                          "select 1 from pg_stat_activity where backend_xmin is not null and pid = "
                              + held.pid()
                              + " and xact_start < clock_timestamp() - interval '10 ms'")
                      .isNotEmpty());
      assertThat(signal.reasonToWait(dsl, ITEM)).isEmpty();
    }
  }

  @Test
  void preparedTransaction_holdsTheJobUp() throws Exception {
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("begin; insert into effect values (0); prepare transaction 'forgotten'");
    }

    assertHeldUp(
        ThrottleSignal.oldSnapshot(Duration.ofMillis(100), 10_000_000),
        "prepared transaction forgotten",
        () -> dsl.execute("rollback prepared 'forgotten'"));
  }

  @Test
  void sessionThatWaitsBehindTheChunk_makesTheJobYieldAndShrink() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    CompletableFuture<?>[] waiter = new CompletableFuture<?>[1];
    ChunkReport report =
        effects(transactions, job)
            .throttle(List.of(ThrottleSignal.lockWaiters()))
            .meterRegistry(registry)
            .chunkRows(100, 1, 100)
            .apply(
                "1",
                chunk -> {
                  long rows =
                      chunk.tx().dsl().update(ITEM).set(DONE, 1).where(chunk.rows()).execute();
                  if (waiter[0] == null) {
                    waiter[0] =
                        started(() -> dsl.update(ITEM).set(DONE, 9).where(ID.eq(50L)).execute());
                    await()
                        .until(
                            () ->
                                dsl.fetch(
                                        "select 1 from pg_stat_activity"
                                            + " where wait_event_type = 'Lock'")
                                    .isNotEmpty());
                  }
                  return rows;
                })
            .build()
            .run();
    waiter[0].get(60, TimeUnit.SECONDS);

    assertThat(report.rows()).isEqualTo(500);
    assertThat(report.smallestChunk()).isEqualTo(80);
    assertThat(
            registry
                .get("pgbelay.batch.chunk.throttled")
                .tags("job", job, "signal", "lock_waiters")
                .timer()
                .count())
        .isOne();
  }

  @Test
  void rateLimit_isKept() {
    ChunkReport report =
        effects(transactions, job).maxRowsPerSecond(1_000).chunkRows(50, 1, 50).build().run();

    assertThat(report.elapsed()).isGreaterThan(Duration.ofMillis(440));
    assertThat(report.waited()).isPositive();
    assertThat(report.rows()).isEqualTo(500);
  }

  /** A signal that never ends. */
  private record Stuck() implements ThrottleSignal {
    @Override
    public String name() {
      return "never";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      return Optional.of("for ever");
    }
  }

  @Test
  void throttleStuckForEver_isReportedAndCanBeCancelled() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    ChunkedJob built =
        effects(transactions, job)
            .throttle(List.of(new Stuck()))
            .stuckAfter(Duration.ofMillis(100))
            .lease(ChunkFixture.SHORT_LEASE)
            .meterRegistry(registry)
            .build();
    CompletableFuture<ChunkReport> running = started(built::run);
    await()
        .until(
            () ->
                built.control().status().flatMap(JobControl.Status::throttledFor).stream()
                    .anyMatch(time -> time.toMillis() > 1_200));

    // Longer than the lease, and still held.
    await().until(() -> built.control().status().orElseThrow().running());
    await()
        .until(
            () ->
                registry.get("pgbelay.batch.chunk.waiting").tag("job", job).gauge().value() > 1.0);
    assertThat(built.control().cancel()).isEqualTo(JobControl.Outcome.CHANGED);
    ChunkReport report = running.get(60, TimeUnit.SECONDS);
    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.CANCELLED);
    assertThat(report.rows()).isZero();
  }
}
