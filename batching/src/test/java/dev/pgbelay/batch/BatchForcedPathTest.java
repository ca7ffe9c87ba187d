package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.CREATE_ITEM;
import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.PRICE;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.util.List;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A writer does several operations; what was asked of one must not change another. */
class BatchForcedPathTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(2);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private static BatchWriter<Item> copying(Duplicates duplicates) {
    return items().path(WritePlan.Path.COPY).chunk(2, 8 << 20).duplicates(duplicates).build();
  }

  private static List<Item> rows() {
    return List.of(item(1).withQty(10), item(2), item(1).withQty(20), item(3));
  }

  @Test
  void copyForcedForInserts_leavesDuplicatesOfUpsertsBeyondAChunkAsTheyAre() {
    transactions.execute(tx -> copying(Duplicates.first()).upsert(tx, rows()));
    int qty =
        transactions
            .run(tx -> tx.dsl().fetchSingle("select qty from item where id = 1"))
            .get(0, int.class);
    assertThat(qty).isEqualTo(10);
    transactions.execute(
        tx ->
            assertThatThrownBy(() -> copying(Duplicates.fail()).upsert(tx, rows()))
                .isInstanceOf(BatchException.class));
    transactions.execute(
        tx ->
            assertThatThrownBy(() -> copying(Duplicates.fail()).update(tx, rows()))
                .isInstanceOf(BatchException.class));
    transactions.execute(
        tx ->
            assertThatThrownBy(() -> copying(Duplicates.fail()).delete(tx, rows()))
                .isInstanceOf(BatchException.class));
  }

  @Test
  void planSaysThatAForcedPathDoesNotBelongToTheOperation() {
    BatchWriter<Item> copying = copying(Duplicates.fail());
    BatchWriter<Item> staged = items().path(WritePlan.Path.STAGED).build();
    transactions.execute(
        tx -> {
          WritePlan upsert = copying.plan(tx, Operation.UPSERT, 100_000);
          assertThat(upsert.path()).isEqualTo(WritePlan.Path.STAGED);
          assertThat(upsert.reason()).contains("COPY is forced, but is for inserts only");
          WritePlan insert = copying.plan(tx, Operation.INSERT, 10);
          assertThat(insert.path()).isEqualTo(WritePlan.Path.COPY);
          assertThat(insert.reason()).isEqualTo("forced");
          WritePlan stagedInsert = staged.plan(tx, Operation.INSERT, 10);
          assertThat(stagedInsert.path()).isEqualTo(WritePlan.Path.UNNEST);
          assertThat(stagedInsert.reason()).contains("STAGED is forced, but is not for inserts");
          assertThat(staged.plan(tx, Operation.UPDATE, 10).path()).isEqualTo(WritePlan.Path.STAGED);
        });
  }

  @Test
  void expressionThatTheColumnRounds_isNoChangeWhereTheRoundedValueIsStored() {
    BatchWriter<Item> writer =
        BatchWriter.into(BatchSchema.ITEM, Item.class)
            .column(ID, Item::id)
            .column(QTY, Item::qty)
            .column(PRICE, Item::price)
            .set(PRICE, DSL.inline(new BigDecimal("1.005")))
            .onlyIfChanged()
            .build();
    Item item = item(5);
    List<Item> rows = List.of(item);
    transactions.execute(
        tx -> {
          writer.insert(tx, rows);
          assertThat(writer.upsert(tx, rows).outcome(0)).isEqualTo(Outcome.UPDATED);
          assertThat(writer.upsert(tx, rows).outcome(0)).isEqualTo(Outcome.UNCHANGED);
          assertThat(writer.update(tx, rows).outcome(0)).isEqualTo(Outcome.UNCHANGED);
          tx.dsl().execute("update item set price = 3");
          BatchWriter<Item> three =
              BatchWriter.into(BatchSchema.ITEM, Item.class)
                  .column(ID, Item::id)
                  .set(PRICE, DSL.inline(new BigDecimal("3")))
                  .onlyIfChanged()
                  .build();
          assertThat(three.update(tx, rows).outcome(0)).isEqualTo(Outcome.UNCHANGED);
        });
  }
}
