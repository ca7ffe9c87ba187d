package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WriteCoalescerTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(6);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private int count() {
    return transactions.run(tx -> tx.dsl().fetchCount(BatchSchema.ITEM));
  }

  private WriteCoalescer.Builder<Item> coalescer() {
    return WriteCoalescer.builder(transactions, items().duplicates(Duplicates.last()).build())
        .meterRegistry(meters)
        .name("items");
  }

  @Test
  void rowsOfManyThreads_areWrittenTogetherAndEachThreadIsTold() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(32);
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      List<Future<Outcome>> outcomes = new ArrayList<>();
      for (int i = 0; i < 2000; i++) {
        int id = i % 1000;
        outcomes.add(threads.submit(() -> coalescer.submit(item(id)).get(30, TimeUnit.SECONDS)));
      }
      int inserted = 0;
      for (Future<Outcome> outcome : outcomes) {
        inserted += outcome.get() == Outcome.INSERTED ? 1 : 0;
      }
      assertThat(inserted).isEqualTo(1000);
    } finally {
      threads.shutdownNow();
    }
    assertThat(count()).isEqualTo(1000);
    double flushes =
        meters.find("pgbelay.batch.coalescer.flushes").counters().stream()
            .mapToDouble(counter -> counter.count())
            .sum();
    assertThat(flushes).isBetween(1.0, 1999.0);
    assertThat(meters.get("pgbelay.batch.coalescer.rows").summary().totalAmount()).isEqualTo(2000);
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
        CompletableFuture<Outcome> future = futures.get(i);
        if (i == 42) {
          assertThatThrownBy(() -> future.get(10, TimeUnit.SECONDS))
              .isInstanceOf(ExecutionException.class)
              .cause()
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e ->
                      assertThat(e.rejection().orElseThrow().constraint())
                          .contains("item_qty_check"));
        } else {
          assertThat(future.get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
        }
      }
    }
    assertThat(count()).isEqualTo(99);
  }

  @Test
  void completedFuture_meansCommitted() throws Exception {
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      coalescer.submit(item(1)).get(10, TimeUnit.SECONDS);
      assertThat(count()).isEqualTo(1);
    }
  }

  @Test
  void fullQueue_makesSubmitWaitAndThenRefuses() throws Exception {
    try (Connection blocker = postgres.database().connect();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table item");
      try (WriteCoalescer<Item> coalescer =
          coalescer().capacity(2).flushRows(1).submitWait(Duration.ofMillis(100)).build()) {
        List<CompletableFuture<Outcome>> taken = new ArrayList<>();
        assertThatThrownBy(
                () -> {
                  for (int i = 0; i < 10; i++) {
                    taken.add(coalescer.submit(item(i)));
                  }
                })
            .isInstanceOf(BatchException.class)
            .hasMessageContaining("full")
            .extracting(e -> ((BatchException) e).reason())
            .isEqualTo(BatchException.Reason.QUEUE_FULL);
        assertThat(taken).hasSizeBetween(2, 3);
        assertThat(meters.get("pgbelay.batch.coalescer.queued").gauge().value()).isEqualTo(2);
        assertThat(meters.get("pgbelay.batch.coalescer.refusals").counter().count()).isEqualTo(1);
        blocker.rollback();
        for (CompletableFuture<Outcome> future : taken) {
          assertThat(future.get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
        }
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
    assertThat(coalescer.close(Duration.ofSeconds(45))).isTrue();
    assertThat(futures).allMatch(future -> future.isDone() && !future.isCompletedExceptionally());
    assertThat(count()).isEqualTo(500);
    assertThatThrownBy(() -> coalescer.submit(item(1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("closed");
  }

  @Test
  void closePastItsDeadline_failsWhatWasNotWritten() throws Exception {
    try (Connection blocker = postgres.database().connect();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table item");
      WriteCoalescer<Item> coalescer = coalescer().flushRows(1).build();
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        futures.add(coalescer.submit(item(i)));
      }
      assertThat(coalescer.close(Duration.ofMillis(200))).isFalse();
      assertThat(futures.get(4)).isCompletedExceptionally();
      blocker.rollback();
      // The one that was on its way is not given up: its transaction commits, and it says so.
      assertThat(futures.get(0).get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
    }
  }

  @Test
  void flush_isBoundedByBytes() throws Exception {
    try (WriteCoalescer<Item> coalescer =
        coalescer().linger(Duration.ofSeconds(20)).flushBytes(1000, item -> 400).build()) {
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        futures.add(coalescer.submit(item(i)));
      }
      for (CompletableFuture<Outcome> future : futures) {
        future.get(10, TimeUnit.SECONDS);
      }
    }
    assertThat(
            meters.get("pgbelay.batch.coalescer.flushes").tag("cause", "bytes").counter().count())
        .isEqualTo(2);
  }

  @Test
  void submitInsideATransaction_isRefused() {
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      transactions.execute(
          tx ->
              assertThatThrownBy(() -> coalescer.submit(item(1)))
                  .isInstanceOf(TransactionException.class));
    }
    assertThat(count()).isZero();
  }

  @Test
  void lostTable_failsTheFuturesAndNotTheThread() throws Exception {
    try (WriteCoalescer<Item> coalescer = coalescer().build()) {
      transactions.execute(tx -> tx.dsl().execute("alter table item rename to gone"));
      CompletableFuture<Outcome> lost = coalescer.submit(item(1));
      assertThatThrownBy(() -> lost.get(10, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class);
      transactions.execute(tx -> tx.dsl().execute("alter table gone rename to item"));
      assertThat(coalescer.submit(item(2)).get(10, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
    }
  }
}
