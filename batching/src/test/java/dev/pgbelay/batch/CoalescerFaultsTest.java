package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.distribution.DistributionStatisticConfig;
import io.micrometer.core.instrument.distribution.pause.PauseDetector;
import io.micrometer.core.instrument.noop.NoopDistributionSummary;
import io.micrometer.core.instrument.noop.NoopTimer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of rows when threads are interrupted and metrics fail. */
class CoalescerFaultsTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(6);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private WriteCoalescer.Builder<Item> coalescer(String name) {
    return WriteCoalescer.builder(transactions, items().duplicates(Duplicates.last()).build())
        .name(name);
  }

  private static List<Thread> flushersOf(String name) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("pgbelay-coalescer-" + name + "-"))
        .toList();
  }

  private static void assertClosed(CompletableFuture<Outcome> future) {
    assertThatThrownBy(() -> future.get(10, TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class)
        .cause()
        .isInstanceOfSatisfying(
            BatchException.class,
            e -> assertThat(e.reason()).isEqualTo(BatchException.Reason.CLOSED));
  }

  @Test
  void interruptedFlusher_finishesItsFlushAndFailsWhatWaits() throws Exception {
    try (Connection blocker = postgres.database().connect();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table item");
      WriteCoalescer<Item> coalescer = coalescer("interrupted").flushRows(1).build();
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        futures.add(coalescer.submit(item(i)));
      }
      awaitWaiting("item");
      flushersOf("interrupted").get(0).interrupt();
      blocker.rollback();
      assertThat(futures.get(0).get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      assertClosed(futures.get(1));
      assertClosed(futures.get(2));
      assertThatThrownBy(() -> coalescer.submit(item(9)))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("closed");
      assertThat(coalescer.close(Duration.ofSeconds(5))).as("everything was written").isFalse();
    }
    assertThat(transactions.run(tx -> tx.dsl().fetchCount(BatchSchema.ITEM)).intValue())
        .isEqualTo(1);
  }

  private void awaitWaiting(String table) {
    Awaitility.await()
        .until(
            () ->
                transactions.run(
                    tx ->
                        tx.dsl()
                                .fetchSingle(
                                    "select count(*) from pg_locks where not granted and relation ="
                                        + " to_regclass(?)",
                                    table)
                                .get(0, Integer.class)
                            > 0));
  }

  @Test
  void rowsSubmittedWhileTheLastFlusherEnds_areNeverForgotten() throws Exception {
    for (int round = 0; round < 40; round++) {
      String name = "ending" + round;
      WriteCoalescer<Item> coalescer = coalescer(name).capacity(100_000).build();
      ConcurrentLinkedQueue<CompletableFuture<Outcome>> futures = new ConcurrentLinkedQueue<>();
      CountDownLatch submitting = new CountDownLatch(3);
      List<Thread> submitters = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        Thread submitter = new Thread(() -> submitUntilClosed(coalescer, futures, submitting));
        submitters.add(submitter);
        submitter.start();
      }
      assertThat(submitting.await(10, TimeUnit.SECONDS)).isTrue();
      flushersOf(name).get(0).interrupt();
      for (Thread submitter : submitters) {
        submitter.join(10_000);
        assertThat(submitter.isAlive()).isFalse();
      }
      // Nobody calls close: every future must have been completed by whoever ended.
      Awaitility.await()
          .atMost(Duration.ofSeconds(10))
          .until(() -> futures.stream().allMatch(CompletableFuture::isDone));
    }
  }

  private static void submitUntilClosed(
      WriteCoalescer<Item> coalescer,
      ConcurrentLinkedQueue<CompletableFuture<Outcome>> futures,
      CountDownLatch submitting) {
    try {
      for (int i = 0; ; i++) {
        futures.add(coalescer.submit(item(i % 50)));
        submitting.countDown();
      }
    } catch (BatchException closed) {
      assertThat(closed.reason()).isEqualTo(BatchException.Reason.CLOSED);
    }
  }

  @Test
  void submitterThatWaitsWhileCloseGivesUp_isAnswered() throws Exception {
    try (Connection blocker = postgres.database().connect();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table item");
      WriteCoalescer<Item> coalescer =
          coalescer("waiting").capacity(1).flushRows(1).submitWait(Duration.ofSeconds(30)).build();
      CompletableFuture<Outcome> underWay = coalescer.submit(item(1));
      awaitWaiting("item");
      CompletableFuture<Outcome> queued = coalescer.submit(item(2));
      CompletableFuture<CompletableFuture<Outcome>> waiting = new CompletableFuture<>();
      Thread submitter =
          new Thread(
              () -> {
                try {
                  waiting.complete(coalescer.submit(item(3)));
                } catch (BatchException e) {
                  waiting.complete(CompletableFuture.failedFuture(e));
                }
              });
      submitter.start();
      Awaitility.await().until(() -> submitter.getState() == Thread.State.TIMED_WAITING);
      assertThat(coalescer.close(Duration.ofMillis(200))).isFalse();
      blocker.rollback();
      assertThat(underWay.get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      assertClosed(queued);
      assertClosed(waiting.get(10, TimeUnit.SECONDS));
    }
  }

  @Test
  void manyBadRowsInOneFlush_failTheirOwnFuturesOnly() throws Exception {
    List<CompletableFuture<Outcome>> futures = new ArrayList<>();
    try (WriteCoalescer<Item> coalescer =
        coalescer("many").flushRows(80).linger(Duration.ofSeconds(20)).build()) {
      for (int i = 0; i < 80; i++) {
        futures.add(coalescer.submit(i % 2 == 0 ? item(i) : item(i).withQty(-1)));
      }
      for (int i = 0; i < 80; i++) {
        CompletableFuture<Outcome> future = futures.get(i);
        if (i % 2 == 0) {
          assertThat(future.get(20, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
        } else {
          assertThatThrownBy(() -> future.get(20, TimeUnit.SECONDS))
              .cause()
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e -> assertThat(e.reason()).isEqualTo(BatchException.Reason.ROW_REFUSED));
        }
      }
    }
    assertThat(transactions.run(tx -> tx.dsl().fetchCount(BatchSchema.ITEM)).intValue())
        .isEqualTo(40);
  }

  @Test
  void rowOfWhichAFunctionThrows_failsItsOwnFutureOnly() throws Exception {
    BatchWriter<Item> writer =
        BatchWriter.into(BatchSchema.ITEM, Item.class)
            .column(BatchSchema.ID, Item::id)
            .column(
                BatchSchema.QTY,
                item -> {
                  if (item.id() == 2) {
                    throw new IllegalStateException("boom");
                  }
                  return item.qty();
                })
            .build();
    try (WriteCoalescer<Item> coalescer =
        WriteCoalescer.builder(transactions, writer)
            .flushRows(3)
            .linger(Duration.ofSeconds(20))
            .build()) {
      CompletableFuture<Outcome> first = coalescer.submit(item(1));
      CompletableFuture<Outcome> second = coalescer.submit(item(2));
      CompletableFuture<Outcome> third = coalescer.submit(item(3));
      assertThat(first.get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      assertThatThrownBy(() -> second.get(10, TimeUnit.SECONDS))
          .hasCauseInstanceOf(IllegalStateException.class);
      assertThat(third.get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
    }
  }

  @Test
  @SuppressWarnings("NullAway") // that is the point
  void nullForARow_isRefusedByItsSubmitter() {
    try (WriteCoalescer<Item> coalescer = coalescer("null").build()) {
      assertThatThrownBy(() -> coalescer.submit(null))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("null");
    }
  }

  @Test
  void closeFromACompletion_doesNotWaitForItself() throws Exception {
    try (Connection blocker = postgres.database().connect();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table item");
      WriteCoalescer<Item> coalescer =
          coalescer("own").flushRows(1).closeWait(Duration.ofMinutes(5)).build();
      CompletableFuture<Boolean> closed =
          coalescer.submit(item(1)).thenApply(outcome -> coalescer.close(Duration.ofMinutes(5)));
      CompletableFuture<Outcome> queued = coalescer.submit(item(2));
      blocker.rollback();
      assertThat(closed.get(20, TimeUnit.SECONDS)).as("all written").isFalse();
      assertThat(queued.get(20, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      Awaitility.await().until(() -> flushersOf("own").isEmpty());
    }
  }

  @Test
  void metersThatThrow_harmNoRow() throws Exception {
    try (Connection blocker = postgres.database().connect();
        Statement statement = blocker.createStatement();
        WriteCoalescer<Item> coalescer =
            coalescer("metered")
                .meterRegistry(new FailingMeters(false))
                .capacity(1)
                .flushRows(1)
                .submitWait(Duration.ofMillis(50))
                .build()) {
      assertThat(coalescer.submit(item(1)).get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      CompletableFuture<Outcome> refused = coalescer.submit(item(2).withQty(-1));
      assertThatThrownBy(() -> refused.get(10, TimeUnit.SECONDS))
          .hasCauseInstanceOf(BatchException.class);
      blocker.setAutoCommit(false);
      statement.execute("lock table item");
      List<CompletableFuture<Outcome>> taken = new ArrayList<>();
      assertThatThrownBy(
              () -> {
                for (int i = 10; i < 20; i++) {
                  taken.add(coalescer.submit(item(i)));
                }
              })
          .isInstanceOf(BatchException.class)
          .extracting(e -> ((BatchException) e).reason())
          .isEqualTo(BatchException.Reason.QUEUE_FULL);
      blocker.rollback();
      for (CompletableFuture<Outcome> future : taken) {
        assertThat(future.get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      }
    }
  }

  @Test
  void registryThatRefusesMeters_failsTheBuildAndLeavesNoThread() {
    WriteCoalescer.Builder<Item> builder =
        coalescer("refused").meterRegistry(new FailingMeters(true));
    assertThatThrownBy(builder::build).hasMessage("as if");
    assertThat(flushersOf("refused")).isEmpty();
  }

  /** Counters cannot be had, timers and summaries not be recorded to; gauges if wanted. */
  private static final class FailingMeters extends SimpleMeterRegistry {
    private final boolean gauges;

    FailingMeters(boolean gauges) {
      this.gauges = gauges;
    }

    @Override
    protected <T> Gauge newGauge(Meter.Id id, @Nullable T of, ToDoubleFunction<T> value) {
      if (gauges) {
        throw new IllegalStateException("as if");
      }
      return super.newGauge(id, of, value);
    }

    @Override
    protected Counter newCounter(Meter.Id id) {
      throw new IllegalStateException("as if");
    }

    @Override
    protected Timer newTimer(
        Meter.Id id, DistributionStatisticConfig config, PauseDetector pauseDetector) {
      return new NoopTimer(id) {
        @Override
        public void record(long amount, TimeUnit unit) {
          throw new IllegalStateException("as if");
        }
      };
    }

    @Override
    protected DistributionSummary newDistributionSummary(
        Meter.Id id, DistributionStatisticConfig config, double scale) {
      return new NoopDistributionSummary(id) {
        @Override
        public void record(double amount) {
          throw new IllegalStateException("as if");
        }
      };
    }

    @Override
    public Meter remove(Meter meter) {
      throw new IllegalStateException("as if");
    }
  }
}
