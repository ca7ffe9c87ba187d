package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.AT;
import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.NAME;
import static dev.pgbelay.batch.BatchSchema.PRICE;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The server refuses a row while COPY is still sending later ones. */
class BatchCopyTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private static final int CHUNK = 10_000;

  /** Far enough behind the bad row for the server to have seen that one. */
  private static final int LATE = 7_000;

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final AtomicInteger session = new AtomicInteger();
  private final AtomicBoolean waited = new AtomicBoolean();

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private BatchWriter.Builder<Item> lateRowsAfterTheRefusal() {
    return BatchWriter.into(ITEM, Item.class)
        .column(ID, Item::id)
        .column(NAME, this::nameOnceTheServerHasRefused)
        .column(QTY, Item::qty)
        .column(PRICE, Item::price)
        .column(AT, Item::at)
        .path(WritePlan.Path.COPY)
        .chunk(CHUNK, 64 << 20);
  }

  private @Nullable String nameOnceTheServerHasRefused(Item row) {
    if (row.id() == LATE && !waited.getAndSet(true)) {
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () ->
                  transactions.run(
                      tx ->
                          tx.dsl()
                              .fetchSingle(
                                  "select state from pg_stat_activity where pid = ?", session.get())
                              .get(0, String.class)
                              .equals("idle in transaction (aborted)")));
    }
    return row.name();
  }

  private static List<Item> rows(Item... others) {
    List<Item> rows = new ArrayList<>(items(0, CHUNK + 500));
    for (Item other : others) {
      rows.set((int) other.id(), other);
    }
    return rows;
  }

  private static final Item REFUSED = item(3).withQty(-1);
  private static final Item UNFIT = new Item(100, "\0", 1, null, item(100).at());
  private static final Item UNFIT_LATER = new Item(LATE + 900, "\0", 1, null, item(1).at());

  @Test
  void partialWriter_tellsEveryRowsFate() {
    BatchWriter<Item> writer = lateRowsAfterTheRefusal().partial().build();
    BatchResult result =
        transactions.run(
            tx -> {
              session.set(tx.dsl().fetchSingle("select pg_backend_pid()").get(0, int.class));
              return writer.insert(tx, rows(REFUSED, UNFIT, UNFIT_LATER));
            });

    assertThat(waited).isTrue();
    assertThat(result.size()).isEqualTo(CHUNK + 500);
    assertThat(result.rows(Outcome.REJECTED)).containsExactly(3, 100, LATE + 900);
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(CHUNK + 497);
    assertThat(transactions.<Integer, RuntimeException>run(tx -> tx.dsl().fetchCount(ITEM)))
        .isEqualTo(CHUNK + 497);
  }

  @Test
  void atomicWriter_namesTheRowAndLeavesTheTransactionUsable() {
    BatchWriter<Item> writer = lateRowsAfterTheRefusal().build();
    transactions.execute(
        tx -> {
          session.set(tx.dsl().fetchSingle("select pg_backend_pid()").get(0, int.class));
          assertThatThrownBy(() -> writer.insert(tx, rows(REFUSED)))
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e -> assertThat(e.rejection().orElseThrow().row()).isEqualTo(3));
          assertThat(tx.dsl().fetchCount(ITEM)).isZero();
        });
    assertThat(waited).isTrue();
  }
}
