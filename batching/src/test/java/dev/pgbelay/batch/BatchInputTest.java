package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.NAME;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is wrong with the input is named before anything is written. */
class BatchInputTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    assertThat(transactions.<Integer, RuntimeException>run(tx -> tx.dsl().fetchCount(ITEM)))
        .isZero();
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private void assertRefused(BatchWriter<Item> writer, Operation operation, String... texts) {
    transactions.execute(
        tx -> {
          var refused =
              assertThatThrownBy(
                      () -> {
                        switch (operation) {
                          case INSERT -> writer.insert(tx, List.of(item(1)));
                          case UPSERT -> writer.upsert(tx, List.of(item(1)));
                          case UPDATE -> writer.update(tx, List.of(item(1)));
                          case DELETE -> writer.delete(tx, List.of(item(1)));
                        }
                      })
                  .isInstanceOf(BatchException.class);
          for (String text : texts) {
            refused.hasMessageContaining(text);
          }
          assertThat(tx.dsl().fetchCount(ITEM)).isZero();
        });
  }

  @Test
  void unknownColumn_isNamedWithThoseThereAre() {
    assertRefused(
        items().column(field(name("colour"), SQLDataType.CLOB), Item::name).build(),
        Operation.INSERT,
        "\"colour\"",
        "id, name, qty, price, at");
  }

  @Test
  void unknownTable_isNamed() {
    assertRefused(
        BatchWriter.into(table(name("public", "itme")), Item.class).column(ID, Item::id).build(),
        Operation.INSERT,
        "itme");
  }

  @Test
  void missingColumnWithoutDefault_isNamed() {
    assertRefused(
        BatchWriter.into(ITEM, Item.class).column(ID, Item::id).build(),
        Operation.UPSERT,
        "column qty is NOT NULL",
        "not mapped");
  }

  @Test
  void keyThatIsNotMapped_isNamed() {
    assertRefused(
        BatchWriter.into(ITEM, Item.class).column(NAME, Item::name).column(QTY, Item::qty).build(),
        Operation.UPDATE,
        "column id of the key is not mapped");
  }

  @Test
  void updateWithoutColumns_isNamed() {
    assertRefused(
        BatchWriter.into(ITEM, Item.class).column(ID, Item::id).build(),
        Operation.UPDATE,
        "nothing to update");
  }

  @Test
  void forcedCopyWhereItIsImpossible_isRefusedWithTheReason() {
    BatchWriter<Item> writer =
        BatchWriter.into(ITEM, Item.class)
            .column(ID, Item::id)
            .column(QTY, Item::qty)
            .columnOrDefault(NAME, Item::name)
            .path(WritePlan.Path.COPY)
            .build();
    assertRefused(writer, Operation.INSERT, "COPY is forced", "column name", "DEFAULT");
  }

  @Test
  void nullRow_isNamed() {
    BatchWriter<Item> writer = items().build();
    List<Item> rows = new ArrayList<>(Arrays.asList(item(1), item(2)));
    rows.add(nullItem());
    assertThatThrownBy(() -> transactions.run(tx -> writer.insert(tx, rows)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("row 2 is null");
  }

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nullItem() {
    return null;
  }

  @Test
  void recordsOfDifferentShapes_areRefusedByRowAndColumn() {
    DSLContext records = DSL.using(SQLDialect.POSTGRES);
    Record whole = records.newRecord(ID, QTY).values(1L, 1);
    Record part = records.newRecord(ID).values(2L);
    BatchWriter<Record> writer = BatchWriter.into(ITEM).columns(ID, QTY).build();
    transactions.execute(
        tx -> {
          assertThatThrownBy(() -> writer.insert(tx, List.of(whole, part)))
              .isInstanceOf(BatchException.class)
              .hasMessageContaining("row 1")
              .hasMessageContaining("column qty");
          assertThat(tx.dsl().fetchCount(ITEM)).isZero();
        });
  }

  @Test
  void optionsThatDoNotGoTogether_areRefusedByBuild() {
    assertThatThrownBy(() -> items().column(QTY, Item::qty).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("qty is mapped twice");
    assertThatThrownBy(() -> items().ignoreConflicts().onlyIfChanged().build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("ignoreConflicts");
    assertThatThrownBy(() -> items().chunk(0, 1 << 20))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("chunk rows must be between 1 and 1000000, is 0");
    assertThatThrownBy(() -> items().rejectLimit(0))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("rejectLimit must be between 1 and 1000000, is 0");
    assertThatThrownBy(() -> BatchWriter.into(ITEM, Item.class).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("column(");
  }

  @Test
  void failureOfTheCallersOwnCode_leavesTheTransactionUsable() {
    BatchWriter<Item> writer = items().path(WritePlan.Path.COPY).chunk(10, 1 << 20).build();
    List<Item> rows = items(0, 100);
    transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      writer.insert(
                          tx,
                          rows.stream()
                              .peek(
                                  row -> {
                                    if (row.id() == 55) {
                                      throw new IllegalStateException("mine");
                                    }
                                  })))
              .isInstanceOf(IllegalStateException.class)
              .hasMessage("mine");
          assertThat(tx.dsl().fetchCount(ITEM)).isZero();
        });
  }

  @Test
  void plan_showsPathReasonKeyAndSql() {
    BatchWriter<Item> writer = items().build();
    transactions.execute(
        tx -> {
          WritePlan few = writer.plan(tx, Operation.INSERT, 10);
          assertThat(few.path()).isEqualTo(WritePlan.Path.UNNEST);
          assertThat(few.sql()).singleElement().asString().contains("unnest(?::bigint[]");
          WritePlan many = writer.plan(tx, Operation.INSERT, 100_000);
          assertThat(many.path()).isEqualTo(WritePlan.Path.COPY);
          WritePlan upsert = writer.plan(tx, Operation.UPSERT, 100_000);
          assertThat(upsert.path()).isEqualTo(WritePlan.Path.STAGED);
          assertThat(upsert.keyIndex()).contains("item_pkey");
          assertThat(upsert.sql()).hasSize(4);
        });
  }
}
