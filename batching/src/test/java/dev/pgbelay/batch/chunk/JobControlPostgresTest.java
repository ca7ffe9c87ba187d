package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.EFFECT;
import static dev.pgbelay.batch.chunk.ChunkFixture.doubled;
import static dev.pgbelay.batch.chunk.ChunkFixture.effects;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.leftOut;
import static dev.pgbelay.batch.chunk.ChunkFixture.started;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class JobControlPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  /** At 1,000 rows a second more than is done before an order arrives. */
  private static final int MANY = 100_000;

  private final DSLContext dsl = ChunkFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final String job = freshName();
  private final JobControl control = JobControl.of(transactions, job);

  private CompletableFuture<ChunkReport> startSlowJob() {
    fill(dsl, MANY);
    ChunkedJob slow =
        effects(transactions, job)
            .chunkRows(10, 1, 10)
            .maxRowsPerSecond(1_000)
            .lease(ChunkFixture.SHORT_LEASE)
            .build();
    CompletableFuture<ChunkReport> running = started(slow::run);
    await(() -> dsl.fetchCount(EFFECT) > 0);
    return running;
  }

  private static void await(java.util.concurrent.Callable<Boolean> condition) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(5))
        .until(condition);
  }

  @Test
  void pauseResumeAndCancel_areHeededWithinAChunkOrAPoll() throws Exception {
    CompletableFuture<ChunkReport> running = startSlowJob();

    assertThat(control.pause()).isEqualTo(JobControl.Outcome.CHANGED);
    int before = dsl.fetchCount(EFFECT);
    await(
        () -> control.status().orElseThrow().throttledBy().equals(java.util.Optional.of("paused")));
    await(
        () ->
            control.status().orElseThrow().throttledFor().orElse(Duration.ZERO).toMillis() > 1_200);
    await(() -> control.status().orElseThrow().running()); // beyond its lease
    assertThat(dsl.fetchCount(EFFECT)).as("nothing is done while paused").isEqualTo(before);

    assertThat(control.resume()).isEqualTo(JobControl.Outcome.CHANGED);
    await(() -> dsl.fetchCount(EFFECT) > before);

    assertThat(control.cancel()).isEqualTo(JobControl.Outcome.CHANGED);
    int cancelled = dsl.fetchCount(EFFECT);
    ChunkReport report = running.get(60, TimeUnit.SECONDS);

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.CANCELLED);
    assertThat(dsl.fetchCount(EFFECT)).as("the chunk before was the last").isEqualTo(cancelled);
    assertThat(cancelled).isBetween(before + 1, MANY - 1);
    assertThat(effects(transactions, job).build().run().outcome())
        .isEqualTo(ChunkReport.Outcome.CANCELLED);
    assertThat(control.resume()).isEqualTo(JobControl.Outcome.UNCHANGED);
    assertThat(control.status().orElseThrow().state()).isEqualTo(JobControl.State.CANCELLED);
  }

  @Test
  void pausedBeforeItsRun_waitsFromTheStart() throws Exception {
    fill(dsl, MANY);
    CountDownLatch stop = new CountDownLatch(1);
    Thread interrupted =
        new Thread(
            () -> {
              ChunkReport report =
                  effects(transactions, job)
                      .chunkRows(10, 1, 10)
                      .maxRowsPerSecond(1_000)
                      .build()
                      .run();
              if (report.outcome() == ChunkReport.Outcome.INTERRUPTED
                  && Thread.currentThread().isInterrupted()) {
                stop.countDown();
              }
            });
    interrupted.start();
    await(() -> dsl.fetchCount(EFFECT) > 0);
    interrupted.interrupt();
    assertThat(stop.await(60, TimeUnit.SECONDS))
        .as("the interrupt ends the run and stays set")
        .isTrue();
    assertThat(control.status().orElseThrow().running()).as("the claim is given back").isFalse();

    control.pause();
    CompletableFuture<ChunkReport> second =
        started(() -> effects(transactions, job).chunkRows(10_000, 1, 10_000).build().run());
    await(() -> control.status().orElseThrow().throttledBy().isPresent());
    int before = dsl.fetchCount(EFFECT);
    assertThat(before).isLessThan(MANY);
    control.resume();

    assertThat(second.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(doubled(dsl)).isZero();
    assertThat(leftOut(dsl)).isZero();
  }

  @Test
  void unknownJob_isSaid() {
    assertThat(control.status()).isEmpty();
    assertThat(control.pause()).isEqualTo(JobControl.Outcome.UNKNOWN_JOB);
    assertThat(control.forget()).isEqualTo(JobControl.Outcome.UNKNOWN_JOB);
  }

  @Test
  void runningJob_isNotForgotten() throws Exception {
    CompletableFuture<ChunkReport> running = startSlowJob();

    assertThat(control.forget()).isEqualTo(JobControl.Outcome.UNCHANGED);
    control.cancel();
    running.get(60, TimeUnit.SECONDS);
    assertThat(control.forget()).isEqualTo(JobControl.Outcome.CHANGED);
  }

  @Test
  void metrics_sayWhatWasDone() {
    fill(dsl, 250);
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    boolean[] failed = new boolean[1];

    effects(transactions, job)
        .meterRegistry(registry)
        .apply(
            "1",
            chunk -> {
              long rows = ChunkFixture.writeEffects(chunk);
              if (!failed[0]) {
                failed[0] = true;
                chunk.tx().dsl().execute("set local statement_timeout = 20; select pg_sleep(5)");
              }
              return rows;
            })
        .build()
        .run();

    assertThat(registry.get("pgbelay.batch.chunk.rows").tag("job", job).counter().count())
        .isEqualTo(250);
    assertThat(
            registry
                .get("pgbelay.batch.chunk.duration")
                .tags("job", job, "outcome", "committed")
                .timer()
                .count())
        .isGreaterThanOrEqualTo(3);
    assertThat(
            registry
                .get("pgbelay.batch.chunk.duration")
                .tags("job", job, "outcome", "failed")
                .timer()
                .count())
        .isOne();
    assertThat(registry.get("pgbelay.batch.chunk.size").tag("job", job).gauge().value())
        .isPositive();
    assertThat(registry.get("pgbelay.batch.chunk.waiting").tag("job", job).gauge().value())
        .isZero();
  }
}
