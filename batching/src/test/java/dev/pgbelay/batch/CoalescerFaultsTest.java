package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.CoalescerFixture.assertClosed;
import static dev.pgbelay.batch.CoalescerFixture.assertRefused;
import static dev.pgbelay.batch.CoalescerFixture.flushersOf;
import static dev.pgbelay.batch.CoalescerFixture.told;
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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of rows when threads are interrupted and metrics fail. */
class CoalescerFaultsTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(6);

  @RegisterExtension final CoalescerFixture table = new CoalescerFixture(postgres);

  @Test
  void interruptedFlusher_finishesItsFlushAndFailsWhatWaits() throws Exception {
    try (CoalescerFixture.Lock lock = table.lock()) {
      WriteCoalescer<Item> coalescer = table.coalescer("interrupted").flushRows(1).build();
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        futures.add(coalescer.submit(item(i)));
      }
      lock.awaitFlush();
      flushersOf("interrupted").get(0).interrupt();
      lock.release();
      assertThat(told(futures.get(0))).isEqualTo(Outcome.INSERTED);
      assertClosed(futures.get(1));
      assertClosed(futures.get(2));
      assertThatThrownBy(() -> coalescer.submit(item(9)))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("closed");
      assertThat(coalescer.close(Duration.ofSeconds(5))).as("everything was written").isFalse();
    }
    assertThat(table.count()).isEqualTo(1);
  }

  @Test
  void rowsSubmittedWhileTheLastFlusherEnds_areNeverForgotten() throws Exception {
    for (int round = 0; round < 40; round++) {
      String name = "ending" + round;
      WriteCoalescer<Item> coalescer = table.coalescer(name).capacity(100_000).build();
      ConcurrentLinkedQueue<CompletableFuture<Outcome>> futures = new ConcurrentLinkedQueue<>();
      CountDownLatch submitting = new CountDownLatch(3);
      List<Thread> submitters = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        Thread submitter = new Thread(() -> submitUntilClosed(coalescer, futures, submitting));
        submitters.add(submitter);
        submitter.start();
      }
      assertThat(submitting.await(60, TimeUnit.SECONDS)).isTrue();
      flushersOf(name).get(0).interrupt();
      for (Thread submitter : submitters) {
        submitter.join(60_000);
        assertThat(submitter.isAlive()).isFalse();
      }
      // Nobody calls close: every future must have been completed by whoever ended.
      CoalescerFixture.await(() -> futures.stream().allMatch(CompletableFuture::isDone));
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
    try (CoalescerFixture.Lock lock = table.lock()) {
      WriteCoalescer<Item> coalescer =
          table
              .coalescer("waiting")
              .capacity(1)
              .flushRows(1)
              .submitWait(Duration.ofSeconds(30))
              .build();
      CompletableFuture<Outcome> underWay = coalescer.submit(item(1));
      lock.awaitFlush();
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
      CoalescerFixture.await(() -> submitter.getState() == Thread.State.TIMED_WAITING);
      assertThat(coalescer.close(Duration.ofMillis(200))).isFalse();
      lock.release();
      assertThat(told(underWay)).isEqualTo(Outcome.INSERTED);
      assertClosed(queued);
      assertClosed(told(waiting));
    }
  }

  @Test
  void manyBadRowsInOneFlush_failTheirOwnFuturesOnly() throws Exception {
    int rows = 1_100;
    List<CompletableFuture<Outcome>> futures = new ArrayList<>();
    try (WriteCoalescer<Item> coalescer =
        table.coalescer("many").flushRows(rows).linger(Duration.ofMinutes(1)).build()) {
      for (int i = 0; i < rows; i++) {
        futures.add(coalescer.submit(isGood(i) ? item(i) : item(i).withQty(-1)));
      }
      for (int i = 0; i < rows; i++) {
        if (isGood(i)) {
          assertThat(told(futures.get(i))).as("row %d", i).isEqualTo(Outcome.INSERTED);
        } else {
          assertRefused(futures.get(i), BatchException.Reason.ROW_REFUSED, e -> {});
        }
      }
    }
    assertThat(table.count()).isEqualTo(rows / 50);
  }

  private static boolean isGood(int row) {
    return row % 50 == 49;
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
        WriteCoalescer.builder(table.transactions(), writer)
            .flushRows(3)
            .linger(Duration.ofSeconds(20))
            .build()) {
      CompletableFuture<Outcome> first = coalescer.submit(item(1));
      CompletableFuture<Outcome> second = coalescer.submit(item(2));
      CompletableFuture<Outcome> third = coalescer.submit(item(3));
      assertThat(told(first)).isEqualTo(Outcome.INSERTED);
      assertThatThrownBy(() -> told(second)).hasCauseInstanceOf(IllegalStateException.class);
      assertThat(told(third)).isEqualTo(Outcome.INSERTED);
    }
  }

  @Test
  @SuppressWarnings("NullAway") // that is the point
  void nullForARow_isRefusedByItsSubmitter() {
    try (WriteCoalescer<Item> coalescer = table.coalescer("null").build()) {
      assertThatThrownBy(() -> coalescer.submit(null))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("null");
    }
  }

  @Test
  void closeFromACompletion_doesNotWaitForItself() throws Exception {
    try (CoalescerFixture.Lock lock = table.lock()) {
      WriteCoalescer<Item> coalescer =
          table.coalescer("own").flushRows(1).closeWait(Duration.ofMinutes(5)).build();
      CompletableFuture<Boolean> closed =
          coalescer.submit(item(1)).thenApply(outcome -> coalescer.close(Duration.ofMinutes(5)));
      CompletableFuture<Outcome> queued = coalescer.submit(item(2));
      lock.release();
      assertThat(told(closed)).as("all written").isFalse();
      assertThat(told(queued)).isEqualTo(Outcome.INSERTED);
      CoalescerFixture.await(() -> flushersOf("own").isEmpty());
    }
  }

  @Test
  void metersThatThrow_harmNoRow() throws Exception {
    try (WriteCoalescer<Item> coalescer =
        table
            .coalescer("metered")
            .meterRegistry(new FailingMeters(false))
            .capacity(1)
            .flushRows(1)
            .submitWait(Duration.ofMillis(50))
            .build()) {
      assertThat(told(coalescer.submit(item(1)))).isEqualTo(Outcome.INSERTED);
      CompletableFuture<Outcome> refused = coalescer.submit(item(2).withQty(-1));
      assertThatThrownBy(() -> told(refused)).hasCauseInstanceOf(BatchException.class);
      List<CompletableFuture<Outcome>> taken = new ArrayList<>();
      try (CoalescerFixture.Lock lock = table.lock()) {
        taken.add(coalescer.submit(item(10)));
        lock.awaitFlush();
        taken.add(coalescer.submit(item(11)));
        assertThatThrownBy(() -> coalescer.submit(item(12)))
            .isInstanceOf(BatchException.class)
            .extracting(e -> ((BatchException) e).reason())
            .isEqualTo(BatchException.Reason.QUEUE_FULL);
      }
      for (CompletableFuture<Outcome> future : taken) {
        assertThat(told(future)).isEqualTo(Outcome.INSERTED);
      }
    }
  }

  @Test
  void metersOfTransactionsAndWriterThatThrow_makeNothingFailOrBeWrittenTwice() throws Exception {
    Transactions metered =
        Transactions.builder(postgres.dataSource()).meterRegistry(new FailingMeters(false)).build();
    BatchWriter<Item> adding = adding(BatchWriter.into(BatchSchema.ITEM, Item.class)).build();
    BatchWriter<Item> counted =
        adding(BatchWriter.into(BatchSchema.ITEM, Item.class))
            .meterRegistry(new FailingMeters(false))
            .build();
    for (BatchWriter<Item> writer : List.of(adding, counted)) {
      try (WriteCoalescer<Item> coalescer =
          WriteCoalescer.builder(metered, writer)
              .flushRows(8)
              .linger(Duration.ofMinutes(1))
              .build()) {
        List<CompletableFuture<Outcome>> futures = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
          futures.add(coalescer.submit(item(i).withQty(10)));
        }
        for (CompletableFuture<Outcome> future : futures) {
          assertThat(told(future)).isIn(Outcome.INSERTED, Outcome.UPDATED);
        }
      }
    }
    List<Integer> stored =
        metered.<List<Integer>, RuntimeException>run(
            tx -> tx.dsl().select(BatchSchema.QTY).from(BatchSchema.ITEM).fetch(BatchSchema.QTY));
    assertThat(stored).as("two flushes of 10 each").hasSize(8).containsOnly(20);
  }

  private static BatchWriter.Builder<Item> adding(BatchWriter.Builder<Item> writer) {
    return writer
        .column(BatchSchema.ID, Item::id)
        .column(BatchSchema.QTY, Item::qty)
        .set(BatchSchema.QTY, BatchSchema.QTY.plus(DSL.excluded(BatchSchema.QTY)));
  }

  @Test
  void registryThatRefusesMeters_failsTheBuildAndLeavesNoThread() {
    WriteCoalescer.Builder<Item> builder =
        table.coalescer("refused").meterRegistry(new FailingMeters(true));
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
