package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.CoalescerFixture.assertRefused;
import static dev.pgbelay.batch.CoalescerFixture.told;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WriteCoalescerTest {
  private static final int THREADS = 32;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(6);

  @RegisterExtension final CoalescerFixture table = new CoalescerFixture(postgres);

  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

  private WriteCoalescer.Builder<Item> coalescer() {
    return table.coalescer("items").meterRegistry(meters);
  }

  private double queued() {
    return meters.get("pgbelay.batch.coalescer.queued").gauge().value();
  }

  private double flushed() {
    return meters.get("pgbelay.batch.coalescer.rows").summary().totalAmount();
  }

  @Test
  void rowsOfManyThreads_areWrittenTogetherAndEachThreadIsTold() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try (WriteCoalescer<Item> coalescer = coalescer().build();
        CoalescerFixture.Lock lock = table.lock()) {
      List<Future<Outcome>> outcomes = new ArrayList<>();
      for (int i = 0; i < 2000; i++) {
        int id = i % 1000;
        outcomes.add(threads.submit(() -> told(coalescer.submit(item(id)))));
      }
      // Some are in a flush that waits for the table, all others in the queue behind it.
      CoalescerFixture.await(() -> queued() + flushed() == THREADS);
      lock.release();
      int inserted = 0;
      for (Future<Outcome> outcome : outcomes) {
        inserted += outcome.get() == Outcome.INSERTED ? 1 : 0;
      }
      assertThat(inserted).isEqualTo(1000);
    } finally {
      threads.shutdownNow();
    }
    assertThat(table.count()).isEqualTo(1000);
    double flushes =
        meters.find("pgbelay.batch.coalescer.flushes").counters().stream()
            .mapToDouble(counter -> counter.count())
            .sum();
    assertThat(flushes).as("the first rows in two").isBetween(1.0, 2000.0 - THREADS + 2);
    assertThat(flushed()).isEqualTo(2000);
    assertThat(meters.get("pgbelay.batch.coalescer.waits").timer().count()).isEqualTo(2000);
  }

  @Test
  void badRow_failsItsOwnFutureOnly() throws Exception {
    try (WriteCoalescer<Item> coalescer = coalescer().linger(Duration.ofMillis(50)).build()) {
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        futures.add(coalescer.submit(i == 42 ? item(i).withQty(-1) : item(i)));
      }
      for (int i = 0; i < 100; i++) {
        if (i == 42) {
          assertRefused(
              futures.get(i),
              BatchException.Reason.ROW_REFUSED,
              e -> assertThat(e.rejection().orElseThrow().constraint()).contains("item_qty_check"));
        } else {
          assertThat(told(futures.get(i))).isEqualTo(Outcome.INSERTED);
        }
      }
    }
    assertThat(table.count()).isEqualTo(99);
  }

  @Test
  void completedFuture_meansCommitted() throws Exception {
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      told(coalescer.submit(item(1)));
      assertThat(table.count()).isEqualTo(1);
    }
  }

  @Test
  void fullQueue_makesSubmitWaitAndThenRefuses() throws Exception {
    try (CoalescerFixture.Lock lock = table.lock();
        WriteCoalescer<Item> coalescer =
            coalescer().capacity(2).flushRows(1).submitWait(Duration.ofMillis(100)).build()) {
      List<CompletableFuture<Outcome>> taken = new ArrayList<>();
      taken.add(coalescer.submit(item(0)));
      lock.awaitFlush();
      taken.add(coalescer.submit(item(1)));
      taken.add(coalescer.submit(item(2)));
      assertThatThrownBy(() -> coalescer.submit(item(3)))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("full")
          .extracting(e -> ((BatchException) e).reason())
          .isEqualTo(BatchException.Reason.QUEUE_FULL);
      assertThat(queued()).isEqualTo(2);
      assertThat(meters.get("pgbelay.batch.coalescer.refusals").counter().count()).isEqualTo(1);
      lock.release();
      for (CompletableFuture<Outcome> future : taken) {
        assertThat(told(future)).isEqualTo(Outcome.INSERTED);
      }
    }
  }

  @Test
  void close_writesWhatWasSubmitted() {
    List<CompletableFuture<Outcome>> futures = new ArrayList<>();
    WriteCoalescer<Item> coalescer = coalescer().linger(Duration.ofSeconds(30)).build();
    for (int i = 0; i < 500; i++) {
      futures.add(coalescer.submit(item(i)));
    }
    assertThat(coalescer.close(Duration.ofSeconds(60))).isTrue();
    assertThat(futures).allMatch(future -> future.isDone() && !future.isCompletedExceptionally());
    assertThat(table.count()).isEqualTo(500);
    assertThatThrownBy(() -> coalescer.submit(item(1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("closed");
  }

  @Test
  void closePastItsDeadline_failsWhatWasNotWritten() throws Exception {
    try (CoalescerFixture.Lock lock = table.lock()) {
      WriteCoalescer<Item> coalescer = coalescer().flushRows(1).build();
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        futures.add(coalescer.submit(item(i)));
      }
      lock.awaitFlush();
      assertThat(coalescer.close(Duration.ofMillis(200))).isFalse();
      assertThat(futures.get(4)).isCompletedExceptionally();
      lock.release();
      // The one that was on its way is not given up: its transaction commits, and it says so.
      assertThat(told(futures.get(0))).isEqualTo(Outcome.INSERTED);
    }
  }

  @Test
  void flush_isBoundedByBytes() throws Exception {
    try (WriteCoalescer<Item> coalescer =
        coalescer().linger(Duration.ofMinutes(1)).flushBytes(1000, item -> 400).build()) {
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        futures.add(coalescer.submit(item(i)));
      }
      for (CompletableFuture<Outcome> future : futures) {
        told(future);
      }
    }
    assertThat(
            meters.get("pgbelay.batch.coalescer.flushes").tag("cause", "bytes").counter().count())
        .isEqualTo(2);
  }

  @Test
  void submitInsideATransaction_isRefused() {
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      table
          .transactions()
          .execute(
              tx ->
                  assertThatThrownBy(() -> coalescer.submit(item(1)))
                      .isInstanceOf(TransactionException.class));
    }
    assertThat(table.count()).isZero();
  }

  @Test
  void lostTable_failsTheFuturesAndNotTheThread() throws Exception {
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      table.sql("alter table item rename to gone");
      CompletableFuture<Outcome> lost = coalescer.submit(item(1));
      assertThatThrownBy(() -> told(lost)).isInstanceOf(ExecutionException.class);
      table.sql("alter table gone rename to item");
      assertThat(told(coalescer.submit(item(2)))).isEqualTo(Outcome.INSERTED);
    }
  }

  @Test
  void optionsOutsideOfTheirRange_areRefusedByName() {
    assertThatThrownBy(() -> coalescer().flushRows(0))
        .isInstanceOf(PgBelayException.class)
        .hasMessage("flushRows must be between 1 and 100000, is 0");
    assertThatThrownBy(() -> coalescer().linger(Duration.ofSeconds(61)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("linger must be between PT0S and PT1M");
    assertThatThrownBy(() -> coalescer().closeWait(Duration.ofMillis(-1)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("closeWait must be between PT0S and PT1H");
  }
}
