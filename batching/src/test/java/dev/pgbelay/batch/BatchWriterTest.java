package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.NAME;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.excluded;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class BatchWriterTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(4);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item cascade"));
  }

  private List<Item> stored() {
    return transactions.run(
        tx ->
            tx.dsl()
                .fetch("select id, name, qty, price, at from item order by id")
                .map(
                    row ->
                        new Item(
                            row.get("id", Long.class),
                            row.get("name", String.class),
                            row.get("qty", Integer.class),
                            row.get("price", java.math.BigDecimal.class),
                            row.get("at", java.time.OffsetDateTime.class)
                                .withOffsetSameInstant(java.time.ZoneOffset.UTC))));
  }

  private static List<Outcome> outcomes(BatchResult result) {
    return IntStream.range(0, result.size()).mapToObj(result::outcome).toList();
  }

  @ParameterizedTest
  @ValueSource(
      ints = {1, 2, 3, 127, 128, 129, 1023, 1024, 1025, 4999, 5000, 5001, 13106, 13107, 13108})
  void sizesAroundPowersAndBindLimit_areAllInserted(int size) {
    List<Item> rows = items(0, size);
    BatchWriter<Item> writer = items().build();
    BatchResult result = transactions.run(tx -> writer.insert(tx, rows));

    assertThat(result.count(Outcome.INSERTED)).isEqualTo(size);
    assertThat(stored()).isEqualTo(rows);
  }

  @Test
  void emptyBatch_sendsNothing() {
    BatchWriter<Item> writer = items().build();
    BatchResult result = transactions.run(tx -> writer.upsert(tx, List.<Item>of()));
    assertThat(result.size()).isZero();
    assertThat(result.written()).isZero();
  }

  @ParameterizedTest
  @EnumSource(
      value = WritePlan.Path.class,
      names = {"UNNEST", "STAGED"})
  void upsert_tellsInsertedFromUpdated(WritePlan.Path path) {
    BatchWriter<Item> writer = items().path(path).build();
    transactions.run(tx -> writer.insert(tx, items(0, 0)));
    BatchWriter<Item> plain = items().build();
    transactions.run(tx -> plain.insert(tx, items(0, 50)));
    List<Item> rows = items(25, 75).stream().map(item -> item.withQty(7)).toList();
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));

    assertThat(result.path()).isEqualTo(path);
    assertThat(result.count(Outcome.UPDATED)).isEqualTo(25);
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(25);
    assertThat(result.rows(Outcome.UPDATED)).containsExactlyElementsOf(range(0, 25));
    assertThat(stored().subList(25, 75)).isEqualTo(rows);
  }

  private static List<Integer> range(int from, int to) {
    return IntStream.range(from, to).boxed().toList();
  }

  @ParameterizedTest
  @EnumSource(
      value = WritePlan.Path.class,
      names = {"UNNEST", "STAGED"})
  void duplicatesUnderLast_keepTheLastAndTellTheOthers(WritePlan.Path path) {
    BatchWriter<Item> writer = items().path(path).duplicates(Duplicates.last()).build();
    List<Item> rows = List.of(item(1).withQty(1), item(2), item(1).withQty(3), item(1).withQty(9));
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));

    assertThat(outcomes(result))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED, Outcome.DUPLICATE, Outcome.INSERTED);
    assertThat(stored()).containsExactly(item(1).withQty(9), item(2));
  }

  @Test
  void duplicatesUnderFold_areFoldedInOrder() {
    BatchWriter<Item> writer =
        items()
            .duplicates(
                Duplicates.last()
                    .fold(QTY, (earlier, later) -> earlier.times(2).plus(later))
                    .fold(NAME, (earlier, later) -> earlier.concat(later)))
            .build();
    List<Item> rows = List.of(item(1).withQty(1), item(2), item(1).withQty(3), item(1).withQty(9));
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));

    assertThat(outcomes(result))
        .containsExactly(Outcome.INSERTED, Outcome.INSERTED, Outcome.DUPLICATE, Outcome.DUPLICATE);
    assertThat(stored().get(0).qty()).isEqualTo((1 * 2 + 3) * 2 + 9);
    assertThat(stored().get(0).name()).isEqualTo("item 1item 1item 1");
  }

  @Test
  void duplicatesUnderFail_refuseTheCallAndLeaveTheTransactionUsable() {
    BatchWriter<Item> writer = items().build();
    List<Item> rows = new ArrayList<>(items(0, 300));
    rows.add(item(17));
    transactions.execute(
        tx -> {
          tx.dsl().execute("insert into item (id, qty) values (1000, 1)");
          assertThatThrownBy(() -> writer.upsert(tx, rows))
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e -> {
                    assertThat(e.rejection().orElseThrow().row()).isEqualTo(300);
                    assertThat(e.rejection().orElseThrow().sqlState()).isEqualTo("21000");
                  });
          assertThat(tx.dsl().fetchCount(ITEM)).isEqualTo(1);
        });
    assertThat(stored()).hasSize(1);
  }

  @Test
  void onlyIfChanged_leavesEqualRowsAlone() {
    BatchWriter<Item> writer = items().onlyIfChanged().build();
    transactions.run(tx -> writer.upsert(tx, items(0, 20)));
    List<Item> rows =
        items(0, 30).stream().map(item -> item.id() < 5 ? item.withQty(99) : item).toList();
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));

    assertThat(result.count(Outcome.UPDATED)).isEqualTo(5);
    assertThat(result.count(Outcome.UNCHANGED)).isEqualTo(15);
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(10);
  }

  @Test
  void conditionAndOnlyIfChanged_areToldApart() {
    BatchWriter<Item> writer = items().onlyIfChanged().onlyIf(excluded(QTY).gt(QTY)).build();
    transactions.run(tx -> writer.upsert(tx, items(0, 3)));
    List<Item> rows = List.of(item(0), item(1).withQty(0), item(2).withQty(50));
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));
    assertThat(outcomes(result))
        .containsExactly(Outcome.UNCHANGED, Outcome.SKIPPED, Outcome.UPDATED);
    BatchResult update = transactions.run(tx -> writer.update(tx, rows));
    assertThat(outcomes(update))
        .containsExactly(Outcome.UNCHANGED, Outcome.SKIPPED, Outcome.UNCHANGED);
  }

  @Test
  void ignoredConflicts_areSkipped() {
    BatchWriter<Item> writer = items().ignoreConflicts().build();
    transactions.run(tx -> writer.upsert(tx, items(0, 3)));
    BatchResult result = transactions.run(tx -> writer.upsert(tx, items(1, 5)));
    assertThat(outcomes(result))
        .containsExactly(Outcome.SKIPPED, Outcome.SKIPPED, Outcome.INSERTED, Outcome.INSERTED);
  }

  @Test
  void setExpression_seesStoredAndGivenRow() {
    BatchWriter<Item> writer = items().updating(QTY).set(QTY, QTY.plus(excluded(QTY))).build();
    transactions.run(tx -> writer.upsert(tx, items(10, 12)));
    transactions.run(tx -> writer.upsert(tx, items(10, 12)));
    transactions.run(tx -> writer.update(tx, items(10, 12)));
    assertThat(stored().get(0).qty()).isEqualTo(30);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void updateAndDelete_tellMissingRows(boolean unordered) {
    BatchWriter.Builder<Item> builder = items().duplicates(Duplicates.last());
    BatchWriter<Item> writer = unordered ? builder.unordered().build() : builder.build();
    transactions.run(tx -> writer.insert(tx, items(0, 10)));
    List<Item> rows = List.of(item(3).withQty(1), item(99), item(3).withQty(2), item(5));
    BatchResult updated = transactions.run(tx -> writer.update(tx, rows));
    assertThat(outcomes(updated))
        .containsExactly(Outcome.DUPLICATE, Outcome.SKIPPED, Outcome.UPDATED, Outcome.UPDATED);
    assertThat(stored().get(3).qty()).isEqualTo(2);
    BatchResult deleted = transactions.run(tx -> writer.delete(tx, rows));
    assertThat(outcomes(deleted))
        .containsExactly(Outcome.DUPLICATE, Outcome.SKIPPED, Outcome.DELETED, Outcome.DELETED);
    assertThat(stored()).hasSize(8);
  }

  @Test
  void fewRowsInTinyChunks_doNotPayForAStage() {
    BatchWriter<Item> writer = items().chunk(10, 8 << 20).build();
    transactions.execute(
        tx -> {
          for (WritePlan.Operation operation :
              new WritePlan.Operation[] {
                WritePlan.Operation.UPSERT, WritePlan.Operation.UPDATE, WritePlan.Operation.DELETE
              }) {
            assertThat(writer.plan(tx, operation, 11).path()).isEqualTo(WritePlan.Path.UNNEST);
          }
          assertThat(writer.plan(tx, WritePlan.Operation.UPSERT, Routes.UPSERTS_AT_ONCE).path())
              .isEqualTo(WritePlan.Path.UNNEST);
          assertThat(writer.plan(tx, WritePlan.Operation.UPSERT, Routes.UPSERTS_AT_ONCE + 1).path())
              .isEqualTo(WritePlan.Path.STAGED);
          BatchResult result = writer.upsert(tx, items(0, Routes.UPSERTS_AT_ONCE));
          assertThat(result.path()).isEqualTo(WritePlan.Path.UNNEST);
          assertThat(result.written()).isEqualTo(Routes.UPSERTS_AT_ONCE);
        });
  }

  @Test
  void poisonRows_arePickedOutAndTheRestIsWritten() {
    BatchWriter<Item> writer = items().partial().build();
    List<Item> rows = new ArrayList<>(items(0, 1000));
    rows.set(17, item(17).withQty(-1));
    rows.set(700, item(700).withQty(-1));
    rows.set(999, item(5));
    BatchResult result =
        transactions.run(
            tx -> {
              BatchResult partial = writer.insert(tx, rows);
              assertThat(tx.dsl().fetchCount(ITEM)).isEqualTo(997);
              return partial;
            });
    assertThat(result.rows(Outcome.REJECTED)).containsExactly(17, 700, 999);
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(997);
    assertThat(result.rejections().get(0).constraint()).contains("item_qty_check");
    assertThat(result.rejections().get(2).sqlState()).isEqualTo("23505");
    assertThat(stored()).hasSize(997);
  }

  @Test
  void atomicBatchWithBadRow_writesNothingAndNamesIt() {
    BatchWriter<Item> writer = items().build();
    List<Item> rows = new ArrayList<>(items(0, 5000));
    rows.set(3210, item(3210).withQty(-1));
    transactions.execute(
        tx -> {
          assertThatThrownBy(() -> writer.insert(tx, rows))
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e -> assertThat(e.rejection().orElseThrow().row()).isEqualTo(3210))
              .hasMessageContaining("row 3210")
              .hasMessageContaining("23514")
              .hasMessageContaining("item_qty_check");
          writer.insert(tx, items(0, 2));
        });
    assertThat(stored()).hasSize(2);
  }
}
