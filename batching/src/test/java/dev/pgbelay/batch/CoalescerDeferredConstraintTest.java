package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What only COMMIT refuses cannot be told row by row. */
class CoalescerDeferredConstraintTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @Test
  void rowThatADeferredConstraintRefuses_failsAllOfItsFlushAndNoOther() throws Exception {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    BatchSchema.CREATE_ITEM
                        + ";alter table item add constraint one_name unique (name)"
                        + " deferrable initially deferred"));
    List<CompletableFuture<Outcome>> together = new ArrayList<>();
    try (WriteCoalescer<Item> coalescer =
        WriteCoalescer.builder(transactions, items().build())
            .flushRows(4)
            .linger(Duration.ofSeconds(30))
            .build()) {
      for (int id : new int[] {1, 2, 3}) {
        together.add(coalescer.submit(item(id)));
      }
      together.add(coalescer.submit(new Item(9, "item 1", 1, null, item(1).at())));
      for (CompletableFuture<Outcome> fate : together) {
        assertThatThrownBy(() -> fate.get(20, TimeUnit.SECONDS))
            .satisfies(
                e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.UNIQUE_VIOLATION));
      }
      assertThat(
              transactions.<Integer, RuntimeException>run(
                  tx -> tx.dsl().fetchCount(BatchSchema.ITEM)))
          .isZero();
      List<CompletableFuture<Outcome>> later = new ArrayList<>();
      for (int id : new int[] {1, 2, 3, 4}) {
        later.add(coalescer.submit(item(id)));
      }
      for (CompletableFuture<Outcome> fate : later) {
        assertThat(fate.get(20, TimeUnit.SECONDS)).isEqualTo(Outcome.INSERTED);
      }
    } finally {
      transactions.execute(tx -> tx.dsl().execute("drop table item"));
    }
  }
}
