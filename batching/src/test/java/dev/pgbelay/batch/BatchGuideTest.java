package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.NAME;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.excluded;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the guide shows, as a user would write it. */
class BatchGuideTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  // tag::writer[]
  private static final BatchWriter<Item> STOCK =
      BatchWriter.into(ITEM, Item.class)
          .column(ID, Item::id)
          .column(NAME, Item::name)
          .column(QTY, Item::qty)
          .duplicates(Duplicates.last().fold(QTY, (earlier, later) -> earlier.plus(later)))
          .set(QTY, QTY.plus(excluded(QTY)))
          .partial()
          .build();

  // end::writer[]

  @Test
  void examplesOfTheGuide_doWhatTheySay() throws Exception {
    Transactions transactions = Transactions.of(postgres.dataSource());
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
    List<Item> deliveries = items(0, 100);
    // tag::upsert[]
    BatchResult result = transactions.run(tx -> STOCK.upsert(tx, deliveries));
    for (BatchResult.Rejection rejection : result.rejections()) {
      System.err.println("row " + rejection.row() + " was refused: " + rejection.sqlState());
    }
    // end::upsert[]
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(100);

    Item delivery = deliveries.get(7);
    // tag::coalescer[]
    try (WriteCoalescer<Item> stock = WriteCoalescer.builder(transactions, STOCK).build()) {
      CompletableFuture<Outcome> fate = stock.submit(delivery);
      fate.get(); // INSERTED, UPDATED, …: committed
    }
    // end::coalescer[]
    assertThat(
            transactions.<Integer, RuntimeException>run(
                tx -> tx.dsl().select(QTY).from(ITEM).where(ID.eq(7L)).fetchSingle().value1()))
        .as("both deliveries, in one flush or in two")
        .isEqualTo(2 * delivery.qty());
  }
}
