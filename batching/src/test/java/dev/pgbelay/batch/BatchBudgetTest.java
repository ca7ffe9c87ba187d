package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What holds for the first forty batches of a transaction holds for those behind them. */
class BatchBudgetTest {
  private static final int CHUNK = 10;
  private static final int ROWS = CHUNK * (SavepointBudget.PER_TRANSACTION + 20);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(
        tx -> tx.dsl().execute("drop table item; drop function if exists touch()"));
  }

  private static int count(Tx tx) {
    return tx.dsl().fetchCount(BatchSchema.ITEM);
  }

  @ParameterizedTest
  @EnumSource(
      value = WritePlan.Path.class,
      names = {"UNNEST", "COPY"})
  void badRowsBehindTheFortiethChunk_areLeftOutAlone(WritePlan.Path path) {
    BatchWriter<Item> writer = items().partial().path(path).chunk(CHUNK, 1 << 20).build();
    List<Item> rows = new ArrayList<>(items(0, ROWS));
    rows.set(5, item(5).withQty(-1));
    rows.set(ROWS - 15, item(ROWS - 15).withQty(-1));
    transactions.execute(
        tx -> {
          BatchResult result = writer.insert(tx, rows);
          assertThat(result.rows(Outcome.REJECTED)).containsExactly(5, ROWS - 15);
          assertThat(count(tx)).isEqualTo(ROWS - 2);
        });
  }

  @ParameterizedTest
  @EnumSource(
      value = WritePlan.Path.class,
      names = {"UNNEST", "COPY"})
  void rowsDroppedBehindTheFortiethChunk_areNotWrittenTwice(WritePlan.Path path) {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "create function touch() returns trigger language plpgsql as $$ begin if new.id"
                        + " % 100 = 99 then return null; end if; return new; end $$; create trigger"
                        + " touching before insert on item for each row execute function touch();"
                        + " alter table item drop constraint item_pkey"));
    boolean merges = postgres.database().cluster().primary().majorVersion() >= 17;
    BatchWriter<Item> writer = items().path(path).chunk(CHUNK, 1 << 20).build();
    transactions.execute(
        tx -> {
          if (!merges) {
            assertThatThrownBy(() -> writer.insert(tx, items(0, ROWS)))
                .isInstanceOf(BatchException.class);
            assertThat(count(tx)).isZero();
            return;
          }
          BatchResult result = writer.insert(tx, items(0, ROWS));
          assertThat(result.count(Outcome.SKIPPED)).isEqualTo(ROWS / 100);
          assertThat(count(tx)).isEqualTo(ROWS - ROWS / 100);
        });
  }

  @Test
  void countsOnly_countsOnceBehindTheFortiethBatch() {
    BatchWriter<Item> writer = items().countsOnly().build();
    transactions.execute(
        tx -> {
          for (int i = 0; i < SavepointBudget.PER_TRANSACTION + 5; i++) {
            assertThat(writer.upsert(tx, items(i * 10, i * 10 + 10)).written()).isEqualTo(10);
          }
        });
  }

  /** From the {@code nth} row that is written on, counted over all tries. */
  private void fromTheRow(int nth, String event, String does) {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "create sequence tries owned by item.id; create function touch() returns"
                        + " trigger language plpgsql as $$ begin if nextval('tries') >= "
                        + nth
                        + " then "
                        + does
                        + " end if; return new; end $$; create trigger touching before "
                        + event
                        + " on item for each row execute function touch()"));
  }

  private void spendBudget(Tx tx, BatchWriter<Item> writer) {
    for (int i = 0; i < SavepointBudget.PER_TRANSACTION; i++) {
      writer.upsert(tx, items(1000 + i, 1001 + i));
    }
  }

  @Test
  void rowThatIsGoneBetweenTryAndWrite_doesNotMakeTheOthersBeUpdatedTwice() {
    BatchWriter<Item> adding = items().updating(QTY).set(QTY, QTY.plus(DSL.excluded(QTY))).build();
    transactions.run(tx -> items().build().insert(tx, List.of(item(1), item(2))));
    // 1 and 2: the try; 3: the first of the rows that stay
    fromTheRow(4, "update", "return null;");
    transactions.execute(
        tx -> {
          spendBudget(tx, items().build());
          BatchResult result = adding.update(tx, List.of(item(1).withQty(10), item(2).withQty(10)));
          assertThat(result.rows(Outcome.UPDATED)).containsExactly(0);
          assertThat(result.rows(Outcome.SKIPPED)).containsExactly(1);
        });
    assertThat(
            transactions.<List<Integer>, RuntimeException>run(
                tx ->
                    tx.dsl()
                        .fetchValues(DSL.select(QTY).from(ITEM).where(ID.in(1L, 2L)).orderBy(ID))))
        .containsExactly(11, 2);
  }

  @Test
  void writeThatFailsBehindTheFortiethBatch_cannotBeCommittedInPart() {
    fromTheRow(SavepointBudget.PER_TRANSACTION + 4, "insert", "new.id := new.id + 100000;");
    BatchWriter<Item> writer = items().build();
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      spendBudget(tx, writer);
                      assertThatThrownBy(() -> writer.upsert(tx, items(1, 3)))
                          .isInstanceOf(BatchException.class)
                          .hasMessageContaining("rewrites the key");
                    }))
        .as("a caller that goes on all the same")
        .isInstanceOf(PgBelayException.class);
    assertThat(transactions.<Integer, RuntimeException>run(BatchBudgetTest::count)).isZero();
  }

  @Test
  void joiningATransactionAgain_doesNotRenewItsBudget() throws SQLException {
    BatchWriter<Item> writer = items().build();
    try (Connection own = postgres.dataSource().getConnection()) {
      own.setAutoCommit(false);
      for (int i = 0; i < SavepointBudget.PER_TRANSACTION; i++) {
        writer.upsert(Tx.join(own), items(i, i + 1));
      }
      Tx last = Tx.join(own);
      writer.upsert(last, items(500, 501));
      TransactionState seen = TransactionState.known(last);
      assertThat(seen != null && seen.budget().take()).isFalse();
      own.commit();
      Tx next = Tx.join(own);
      writer.upsert(next, items(600, 601));
      TransactionState renewed = TransactionState.known(next);
      assertThat(renewed != null && renewed.budget().take()).isTrue();
      own.rollback();
    }
  }

  @Test
  void rowsPulledFromTheSameTransaction_doNotHangInCopy() {
    BatchWriter<Item> writer = items().build();
    transactions.execute(
        tx -> {
          tx.dsl()
              .execute(
                  "create temporary table source on commit drop as"
                      + " select generate_series(0, 29999) as id");
          try (Stream<Item> lazily =
              tx.dsl()
                  .resultQuery("select id from source")
                  .fetchSize(100)
                  .fetchStream()
                  .map(row -> item(row.get(0, int.class)))) {
            assertThat(writer.insert(tx, lazily).count(Outcome.INSERTED)).isEqualTo(30_000);
          }
        });
    transactions.execute(
        tx -> {
          try (Stream<Item> lazily =
              tx.dsl()
                  .resultQuery("select id::int from item")
                  .fetchSize(100)
                  .fetchStream()
                  .map(row -> item(row.get(0, int.class)))) {
            BatchResult result = items().build().upsert(tx, lazily);
            assertThat(result.path()).isEqualTo(WritePlan.Path.STAGED);
            assertThat(result.count(Outcome.UPDATED)).isEqualTo(30_000);
          }
        });
  }
}
