package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What it costs to find bad rows, and how many of them are looked for. */
class BatchRejectionsTest {
  private static final int ROWS = 4096;
  private static final int HALVINGS = 12;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private static List<Item> rows(int size, IntPredicate bad) {
    List<Item> rows = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      rows.add(bad.test(i) ? item(i).withQty(-1) : item(i));
    }
    return rows;
  }

  private static WriteCall<Item> call(
      BatchWriter<Item> writer,
      Tx tx,
      BatchConnection session,
      Operation operation,
      List<Item> rows)
      throws SQLException {
    Shape<Item> shape =
        new Shape<>(
            writer.settings(),
            operation,
            false,
            Catalog.read(tx.connection(), "public.item"),
            "\"public\".\"item\"",
            tx.dsl());
    return new WriteCall<>(shape, session, new RowSource<>(rows.iterator()), new SavepointBudget());
  }

  @ParameterizedTest
  @EnumSource(
      value = Operation.class,
      names = {"INSERT", "UPSERT"})
  void poisonRows_costFewStatements(Operation operation) throws SQLException {
    BatchWriter<Item> writer = items().partial().build();
    List<Integer> bad = List.of(0, 1, 777, 2047, 2048, ROWS - 1);
    List<Item> rows = rows(ROWS, bad::contains);
    transactions.execute(
        tx -> {
          BatchConnection session = new BatchConnection(tx.connection(), tx.dsl());
          WriteCall<Item> call = call(writer, tx, session, operation, rows);
          BatchResult result = call.run();
          assertThat(result.rows(Outcome.REJECTED)).containsExactlyElementsOf(bad);
          // A bad row is halved for, with one probe of what is behind it and one of what is before.
          assertThat(call.probes()).isLessThanOrEqualTo(bad.size() * (HALVINGS + 2) + 1);
          assertThat(tx.dsl().fetchCount(ITEM)).isEqualTo(ROWS - bad.size());
        });
  }

  @ParameterizedTest
  @EnumSource(
      value = Operation.class,
      names = {"INSERT", "UPSERT"})
  void thousandsOfPoisonRows_costNoMoreThanTheLimitAllows(Operation operation) throws SQLException {
    int limit = 7;
    BatchWriter<Item> writer = items().partial().rejectLimit(limit).build();
    List<Item> rows = rows(ROWS, i -> i % 2 == 1);
    transactions.execute(
        tx -> {
          BatchConnection session = new BatchConnection(tx.connection(), tx.dsl());
          WriteCall<Item> call = call(writer, tx, session, operation, rows);
          assertThatThrownBy(call::run)
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e -> {
                    assertThat(e.reason()).isEqualTo(BatchException.Reason.TOO_MANY_REJECTED);
                    assertThat(e.rejection().orElseThrow().sqlState()).isEqualTo("23514");
                  })
              .hasMessageContaining("more than 7 rows");
          assertThat(call.probes()).isLessThanOrEqualTo((limit + 1) * (HALVINGS + 2) + 1);
          assertThat(tx.dsl().fetchCount(ITEM)).isZero();
        });
  }

  @ParameterizedTest
  @EnumSource(WritePlan.Path.class)
  void oneRowMoreThanTheLimit_failsTheCallByName(WritePlan.Path path) {
    Operation operation = path == WritePlan.Path.STAGED ? Operation.UPSERT : Operation.INSERT;
    BatchWriter<Item> writer =
        items().partial().rejectLimit(4).path(path).chunk(20, 1 << 20).build();
    transactions.execute(
        tx -> {
          // In several chunks, each of which is within the limit.
          assertThatThrownBy(() -> write(writer, tx, operation, rows(100, i -> i % 20 == 7)))
              .isInstanceOfSatisfying(
                  BatchException.class,
                  e -> assertThat(e.reason()).isEqualTo(BatchException.Reason.TOO_MANY_REJECTED))
              .hasMessageContaining("rejectLimit");
          assertThat(tx.dsl().fetchCount(ITEM)).isZero();
          BatchResult result = write(writer, tx, operation, rows(80, i -> i % 20 == 7));
          assertThat(result.count(Outcome.REJECTED)).isEqualTo(4);
          assertThat(tx.dsl().fetchCount(ITEM)).isEqualTo(76);
        });
  }

  @Test
  void rowsThatDoNotFit_countToo() {
    BatchWriter<Item> writer = items().partial().rejectLimit(1).build();
    List<Item> rows = new ArrayList<>(items(0, 10));
    rows.set(3, new Item(3, "\0", 1, null, item(3).at()));
    rows.set(5, item(5).withQty(-1));
    transactions.execute(
        tx -> {
          assertThatThrownBy(() -> writer.insert(tx, rows))
              .isInstanceOf(BatchException.class)
              .hasMessageContaining("more than 1 rows");
          assertThat(writer.insert(tx, rows.subList(0, 5)).rows(Outcome.REJECTED))
              .containsExactly(3);
        });
  }

  @Test
  void rowsRefusedAsDuplicates_doNotCount() {
    BatchWriter<Item> writer = items().partial().rejectLimit(1).build();
    List<Item> rows = new ArrayList<>(items(0, 10));
    rows.addAll(items(0, 10));
    rows.set(5, item(5).withQty(-1));
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));
    // The other row with the key of the bad one is written in its place.
    assertThat(result.count(Outcome.REJECTED)).isEqualTo(10);
    assertThat(result.written()).isEqualTo(10);
  }

  private static BatchResult write(
      BatchWriter<Item> writer, Tx tx, Operation operation, List<Item> rows) {
    return operation == Operation.INSERT ? writer.insert(tx, rows) : writer.upsert(tx, rows);
  }
}
