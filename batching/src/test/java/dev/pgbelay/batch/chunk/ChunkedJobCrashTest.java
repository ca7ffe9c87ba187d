package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.doubled;
import static dev.pgbelay.batch.chunk.ChunkFixture.effects;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.leftOut;
import static dev.pgbelay.batch.chunk.ChunkFixture.started;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * What dies in the middle of a job: connections, backends, runners, JVMs, the server. After each,
 * every row has been worked on exactly once.
 */
@SuppressWarnings("NullAway.Init") // the statics are set before all tests
class ChunkedJobCrashTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));

  private static FaultProxy proxy;
  private static HikariDataSource throughProxy;

  private final DSLContext dsl = ChunkFixture.dsl(postgres.dataSource());
  private final String job = freshName();

  @BeforeAll
  static void openProxy() {
    proxy = FaultProxy.inFrontOf(PostgresCluster.shared().primary());
    throughProxy = pool(proxy.jdbcUrl(postgres.database().name()));
  }

  @AfterAll
  static void closeProxy() {
    throughProxy.close();
    proxy.close();
  }

  private static HikariDataSource pool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(3);
    config.setConnectionTimeout(2_000);
    config.setValidationTimeout(500);
    config.setInitializationFailTimeout(-1);
    return new HikariDataSource(config);
  }

  /** Retries nothing by itself, so that each kill reaches the runner. */
  private static Transactions unretried(DataSource dataSource) {
    return Transactions.builder(dataSource).retry(TxOptions.Retry.none()).build();
  }

  @Test
  void connectionKilledBetweenAnyTwoStatements_leavesNoRowOutAndNoneTwice() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    int wanted = FULL ? 200 : 20;
    int kills = 0;
    int rounds = 0;
    while (kills < wanted) {
      fill(dsl, 600);
      String name = job + "-" + rounds++;
      long before = cuts();
      boolean done = false;
      int runs = 0;
      while (!done) {
        arm(random);
        try {
          ChunkReport report =
              effects(unretried(throughProxy), name)
                  .chunkRows(20, 1, 20)
                  .lease(ChunkFixture.SHORT_LEASE)
                  .patience(random.nextBoolean() ? Duration.ZERO : Duration.ofSeconds(30))
                  .build()
                  .run();
          done = report.outcome() == ChunkReport.Outcome.DONE || alreadyDone(report);
          if (report.outcome() == ChunkReport.Outcome.HELD_ELSEWHERE) {
            awaitLeaseEnd(name);
          }
        } catch (RuntimeException killed) {
          assertThat(killed).as("seed " + seed).isNotInstanceOf(LeaseLostException.class);
        }
        assertThat(++runs).as("runs of one job, seed " + seed).isLessThan(200);
      }
      proxy.heal();
      assertThat(leftOut(dsl)).as("left out, seed " + seed).isZero();
      assertThat(doubled(dsl)).as("twice, seed " + seed).isZero();
      kills += (int) (cuts() - before);
    }
    System.out.println(kills + " kills in " + rounds + " jobs");
  }

  private static boolean alreadyDone(ChunkReport report) {
    return report.outcome() == ChunkReport.Outcome.ALREADY_DONE;
  }

  private static void arm(Random random) {
    proxy.heal();
    switch (random.nextInt(5)) {
      case 0 -> proxy.cutBeforeCommit(1 + random.nextInt(12));
      case 1, 2 -> proxy.cutAfterCommit(1 + random.nextInt(12));
      case 3 -> proxy.cutAfterBytes(FaultProxy.Direction.TO_SERVER, 500L + random.nextInt(20_000));
      default -> proxy.cutAfterBytes(FaultProxy.Direction.TO_CLIENT, 500L + random.nextInt(8_000));
    }
  }

  private static long cuts() {
    FaultProxy.Counters counters = proxy.counters();
    return counters.cutsBeforeCommit() + counters.cutsAfterCommit() + counters.cutsAtByte();
  }

  private void awaitLeaseEnd(String name) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(50))
        .until(
            () ->
                JobControl.of(Transactions.of(postgres.dataSource()), name)
                    .status()
                    .map(status -> !status.running())
                    .orElse(true));
  }

  @Test
  void answersToCommitLostAtRandom_areResolvedByThePosition() {
    fill(dsl, 2_000);
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    ChunkedJob running =
        effects(unretried(throughProxy), job)
            .chunkRows(50, 1, 50)
            .lease(ChunkFixture.SHORT_LEASE)
            .patience(Duration.ofSeconds(60))
            .onProgress(
                status -> {
                  if (status.rowsWalked() > 0) {
                    proxy.cutCommitsAtRandom(seed, 0.1, 0.2);
                  }
                })
            .signalInterval(Duration.ZERO)
            .build();
    ChunkReport report = null;
    while (report == null) {
      try {
        report = running.run();
      } catch (RuntimeException progressReadWasCut) {
        awaitLeaseEnd(job);
      }
      if (report != null && report.outcome() == ChunkReport.Outcome.HELD_ELSEWHERE) {
        awaitLeaseEnd(job);
        report = null;
      }
    }
    proxy.cutCommitsAtRandom(seed, 0, 0);
    proxy.heal();

    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void serverCrash_isOutwaitedAndNothingIsLostOrDoubled() {
    PostgresCluster cluster = PostgresCluster.builder().start();
    try (HikariDataSource pool = pool(cluster.primary().jdbcUrl())) {
      ChunkFixture.SCHEMA.initialize(pool);
      DSLContext own = ChunkFixture.dsl(pool);
      fill(own, 1_500);
      CountDownLatch third = new CountDownLatch(30);
      CompletableFuture<ChunkReport> running =
          started(
              () ->
                  effects(Transactions.of(pool), job)
                      .chunkRows(20, 1, 20)
                      .apply(
                          "1",
                          chunk -> {
                            third.countDown();
                            return ChunkFixture.writeEffects(chunk);
                          })
                      .lease(Duration.ofSeconds(5))
                      .build()
                      .run());
      await(third);
      cluster.primary().crash();
      cluster.primary().restart();

      assertThat(running.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(ChunkReport.Outcome.DONE);
      assertThat(leftOut(own)).isZero();
      assertThat(doubled(own)).isZero();
    } catch (Exception e) {
      throw new AssertionError(e);
    } finally {
      cluster.close();
    }
  }

  /**
   * Each COMMIT of a run in turn: of the claim, of each chunk, of the claim given back. The first
   * one is that of the check before anything is written; cut there, run() fails at once.
   */
  @Test
  void connectionCutAtEachCommit_leavesNoRowOutAndNoneTwice() {
    for (boolean reached : new boolean[] {false, true}) {
      for (int nth = 2; nth <= 9; nth++) {
        fill(dsl, 500);
        String name = job + (reached ? "-after-" : "-before-") + nth;
        long before = cuts();
        if (reached) {
          proxy.cutAfterCommit(nth);
        } else {
          proxy.cutBeforeCommit(nth);
        }
        ChunkReport report = effects(unretried(throughProxy), name).build().run();
        proxy.heal();

        assertThat(cuts() - before).as(name).isOne();
        assertThat(report.outcome()).as(name).isEqualTo(ChunkReport.Outcome.DONE);
        assertThat(leftOut(dsl)).as(name + ": left out").isZero();
        assertThat(doubled(dsl)).as(name + ": twice").isZero();
        assertThat(
                JobControl.of(Transactions.of(postgres.dataSource()), name)
                    .status()
                    .orElseThrow()
                    .rowsDone())
            .as(name)
            .isEqualTo(500);
      }
    }
  }

  @Test
  void twoRunners_oneActsAndTheOtherIsTurnedAway() throws Exception {
    fill(dsl, 1_000);
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    CompletableFuture<ChunkReport> first =
        started(
            () ->
                effects(Transactions.of(postgres.dataSource()), job)
                    .apply(
                        "1",
                        chunk -> {
                          inside.countDown();
                          await(goOn);
                          return ChunkFixture.writeEffects(chunk);
                        })
                    .build()
                    .run());
    await(inside);

    ChunkReport second = effects(Transactions.of(postgres.dataSource()), job).build().run();
    goOn.countDown();

    assertThat(second.outcome()).isEqualTo(ChunkReport.Outcome.HELD_ELSEWHERE);
    assertThat(second.chunks()).isZero();
    assertThat(first.get(60, TimeUnit.SECONDS).rows()).isEqualTo(1_000);
    assertThat(doubled(dsl)).isZero();
    assertThat(leftOut(dsl)).isZero();
  }

  @Test
  void manyRunnersAtOnce_shareOutNothingTwice() {
    fill(dsl, 500);
    var runners =
        java.util.stream.IntStream.range(0, 4)
            .mapToObj(
                i ->
                    started(
                        () -> {
                          ChunkReport report;
                          do {
                            report =
                                effects(Transactions.of(postgres.dataSource()), job)
                                    .chunkRows(10, 1, 10)
                                    .build()
                                    .run();
                          } while (report.outcome() == ChunkReport.Outcome.HELD_ELSEWHERE);
                          return report.outcome();
                        }))
            .toList();
    runners.forEach(CompletableFuture::join);

    assertThat(runners.stream().map(CompletableFuture::join))
        .containsOnlyOnce(ChunkReport.Outcome.DONE);
    assertThat(doubled(dsl)).isZero();
    assertThat(leftOut(dsl)).isZero();
  }

  @Test
  void runnerStalledBeyondItsLease_isRefusedWhenItComesBack() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Stalled stalled = stallAndTakeOver(new JobSql("pgbelay", job), registry);

    assertThatThrownBy(() -> stalled.report().get(60, TimeUnit.SECONDS))
        .hasCauseInstanceOf(LeaseLostException.class)
        .hasMessageContaining(job);
    assertThat(doubled(dsl)).isZero();
    assertThat(leftOut(dsl)).isZero();
    assertThat(registry.get("pgbelay.batch.chunk.lease.lost").tag("job", job).counter().count())
        .isOne();
  }

  /** The same without fence and lock: a runner that trusts the position in its memory. */
  @Test
  void runnerStalledBeyondItsLease_withoutTheFenceWorksOnRowsTwice() throws Exception {
    Stalled stalled = stallAndTakeOver(new UnfencedSql(job), new SimpleMeterRegistry());

    stalled.report().get(60, TimeUnit.SECONDS);
    assertThat(doubled(dsl)).isPositive();
  }

  private record Stalled(CompletableFuture<ChunkReport> report) {}

  /** Stops a runner between two chunks until its lease is over and another has finished the job. */
  private Stalled stallAndTakeOver(JobSql firstRunnersSql, MeterRegistry registry)
      throws Exception {
    fill(dsl, 1_000);
    AtomicBoolean stall = new AtomicBoolean(true);
    CountDownLatch stopped = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    CompletableFuture<ChunkReport> first =
        started(
            () ->
                effects(Transactions.of(postgres.dataSource()), job)
                    .meterRegistry(registry)
                    .lease(ChunkFixture.SHORT_LEASE)
                    .onProgress(
                        status -> {
                          if (status.rowsWalked() >= 300 && stall.getAndSet(false)) {
                            stopped.countDown();
                            await(goOn);
                          }
                        })
                    .build()
                    .run(firstRunnersSql));
    await(stopped);
    awaitLeaseEnd(job);
    ChunkReport second = effects(Transactions.of(postgres.dataSource()), job).build().run();
    assertThat(second.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(second.rows()).isEqualTo(700);
    goOn.countDown();
    return new Stalled(first);
  }

  @Test
  void chunkThatRunsIntoTimeoutsForLongerThanTheLease_keepsItsClaim() throws Exception {
    fill(dsl, 300);
    AtomicInteger attempts = new AtomicInteger();
    CompletableFuture<ChunkReport> first =
        started(
            () ->
                effects(unretried(postgres.dataSource()), job)
                    .apply(
                        "1",
                        chunk -> {
                          if (attempts.incrementAndGet() <= 4) {
                            chunk.tx().dsl().execute("select pg_sleep(60)");
                          }
                          return ChunkFixture.writeEffects(chunk);
                        })
                    .chunkTimeout(Duration.ofMillis(1_500))
                    .lease(Duration.ofSeconds(5))
                    .build()
                    .run());
    Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> attempts.get() > 0);
    ChunkedJob other =
        effects(Transactions.of(postgres.dataSource()), job)
            .lockTimeout(Duration.ofMillis(10))
            .build();
    while (attempts.get() < 4) {
      assertThat(other.run().outcome()).isEqualTo(ChunkReport.Outcome.HELD_ELSEWHERE);
    }

    assertThat(first.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void chunkLongerThanTheLease_isNotTakenOver() throws Exception {
    fill(dsl, 50);
    CountDownLatch inside = new CountDownLatch(1);
    AtomicBoolean beyondItsLease = new AtomicBoolean();
    CompletableFuture<ChunkReport> first =
        started(
            () ->
                effects(Transactions.of(postgres.dataSource()), job)
                    .apply(
                        "1",
                        chunk -> {
                          inside.countDown();
                          while (!beyondItsLease.get()) {
                            chunk.tx().dsl().execute("select pg_sleep(0.1)");
                          }
                          return ChunkFixture.writeEffects(chunk);
                        })
                    .chunkTimeout(Duration.ofMinutes(2))
                    .lease(ChunkFixture.SHORT_LEASE)
                    .build()
                    .run());
    await(inside);
    ChunkedJob other =
        effects(Transactions.of(postgres.dataSource()), job)
            .lockTimeout(Duration.ofMillis(50))
            .build();
    while (!first.isDone()) {
      boolean beyond = !other.control().status().orElseThrow().running();
      assertThat(other.run().outcome())
          .isIn(ChunkReport.Outcome.HELD_ELSEWHERE, ChunkReport.Outcome.ALREADY_DONE);
      if (beyond) {
        beyondItsLease.set(true);
      }
    }

    assertThat(first.get().outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(first.get().rows()).isEqualTo(50);
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void runnerStoppedInsideAChunk_isEndedByTheServerAndReplaced() throws Exception {
    fill(dsl, 500);
    CountDownLatch stopped = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    CompletableFuture<ChunkReport> first =
        started(
            () ->
                effects(unretried(postgres.dataSource()), job)
                    .apply(
                        "1",
                        chunk -> {
                          long rows = ChunkFixture.writeEffects(chunk);
                          stopped.countDown();
                          await(goOn);
                          return rows;
                        })
                    .patience(Duration.ZERO)
                    .lease(ChunkFixture.SHORT_LEASE)
                    .build()
                    .run());
    await(stopped);
    ChunkedJob successor = effects(Transactions.of(postgres.dataSource()), job).build();
    ChunkReport[] report = new ChunkReport[1];
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(50))
        .until(
            () -> {
              report[0] = successor.run();
              return report[0].outcome() != ChunkReport.Outcome.HELD_ELSEWHERE;
            });
    goOn.countDown();

    assertThat(report[0].rows()).isEqualTo(500);
    assertThatThrownBy(() -> first.get(60, TimeUnit.SECONDS)).isNotNull();
    assertThat(doubled(dsl)).isZero();
    assertThat(leftOut(dsl)).isZero();
  }

  private static void await(CountDownLatch latch) {
    try {
      if (!latch.await(60, TimeUnit.SECONDS)) {
        throw new AssertionError("waited in vain");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
