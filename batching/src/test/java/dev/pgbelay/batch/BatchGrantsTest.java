package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.PostgresExtension;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants that the guide lists are enough, and none of them too many. */
class BatchGrantsTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(2);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final BatchWriter<Item> ordered = items().build();
  private final BatchWriter<Item> unordered = items().unordered().build();

  @BeforeEach
  void createTable() {
    sql(BatchSchema.CREATE_ITEM);
    sql("create role little");
    transactions.run(tx -> ordered.insert(tx, items(0, 2_000)));
  }

  @AfterEach
  void dropTable() {
    sql("drop table item; drop role little");
  }

  private void sql(String sql) {
    transactions.execute(tx -> tx.dsl().execute(sql));
  }

  private void assertNeeds(BiFunction<Tx, BatchWriter<Item>, BatchResult> call, String... grants) {
    assertNeeds(call, ordered, grants);
  }

  private void grant(String... grants) {
    sql("revoke all on item from little");
    sql("grant " + String.join(", ", grants) + " on item to little");
  }

  /** Enough together, and not enough without any one of them. */
  private void assertNeeds(
      BiFunction<Tx, BatchWriter<Item>, BatchResult> call,
      BatchWriter<Item> writer,
      String... grants) {
    grant(grants);
    transactions.execute(
        tx -> {
          tx.dsl().execute("set local role little");
          assertThat(call.apply(tx, writer).written()).isPositive();
        });
    for (String grant : grants) {
      grant(grants);
      sql("revoke " + grant + " on item from little");
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      tx -> {
                        tx.dsl().execute("set local role little");
                        assertThat(call.apply(tx, writer).written()).isPositive();
                      }))
          .as("without " + grant)
          .satisfies(e -> assertThat(Failures.sqlState(e)).contains("42501"));
    }
  }

  @Test
  void everyOperation_needsTheGrantsOfTheGuideAndNoMore() {
    assertNeeds((tx, writer) -> writer.insert(tx, items(3_000, 3_010)), "insert");
    assertNeeds((tx, writer) -> writer.insert(tx, items(4_000, 6_000)), "insert");
    assertNeeds((tx, writer) -> writer.upsert(tx, items(0, 10)), "insert", "update", "select");
    assertNeeds((tx, writer) -> writer.update(tx, items(0, 10)), "update", "select");
    assertNeeds((tx, writer) -> writer.delete(tx, items(0, 10)), "delete", "update", "select");
    assertNeeds((tx, writer) -> writer.delete(tx, items(10, 20)), unordered, "delete", "select");
  }
}
