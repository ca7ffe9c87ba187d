package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.stream.IntStream;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Triggers that drop rows or rewrite their keys: no row is written twice or told wrongly. */
class BatchTriggerTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private static final Table<Record> T = DSL.table(name("public", "t"));
  private static final Field<Integer> ID = field(name("id"), SQLDataType.INTEGER);
  private static final Field<Integer> N = field(name("n"), SQLDataType.INTEGER);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  record Row(int id, int n) {}

  private static List<Row> rows(int from, int to) {
    return IntStream.range(from, to).mapToObj(i -> new Row(i, i)).toList();
  }

  private static BatchWriter.Builder<Row> into(Table<Record> table) {
    return BatchWriter.into(table, Row.class).column(ID, Row::id).column(N, Row::n);
  }

  private void sql(String sql) {
    transactions.execute(tx -> tx.dsl().execute(sql));
  }

  private static String trigger(String table, String when, String body) {
    return "create or replace function touch() returns trigger language plpgsql as $$ begin "
        + body
        + " return new; end $$; create trigger touching before "
        + when
        + " on "
        + table
        + " for each row execute function touch();";
  }

  private static int count(Tx tx) {
    return tx.dsl().fetchCount(T);
  }

  @AfterEach
  void dropTable() {
    sql("drop view if exists v; drop table if exists t cascade; drop function if exists touch()");
  }

  @ParameterizedTest
  @ValueSource(ints = {10, Routes.COPY_FROM + 100})
  void triggerOnOnePartition_dropsRowsWithoutWritingOthersTwice(int size) {
    sql(
        "create table t (id int, n int) partition by range (id);"
            + "create table t1 partition of t for values from (0) to (5);"
            + "create table t2 partition of t for values from (5) to (1000000);"
            + trigger("t1", "insert", "if new.id % 2 = 1 then return null; end if;"));
    boolean merges = postgres.database().cluster().primary().majorVersion() >= 17;
    BatchWriter<Row> writer = into(T).build();
    transactions.execute(
        tx -> {
          if (merges) {
            BatchResult result = writer.insert(tx, rows(0, size));
            assertThat(result.rows(Outcome.SKIPPED)).containsExactly(1, 3);
            assertThat(count(tx)).isEqualTo(size - 2);
          } else {
            assertThatThrownBy(() -> writer.insert(tx, rows(0, size)))
                .isInstanceOf(BatchException.class);
            assertThat(count(tx)).isZero();
          }
        });
  }

  @Test
  void viewOverATableWhoseTriggerDropsRows_isRefusedAndLeavesNothing() {
    sql(
        "create table t (id int primary key, n int);"
            + "create view v as select id, n from t;"
            + trigger("t", "insert", "if new.id % 2 = 1 then return null; end if;"));
    BatchWriter<Row> writer = into(DSL.table(name("public", "v"))).build();
    transactions.execute(
        tx -> {
          assertThatThrownBy(() -> writer.insert(tx, rows(0, 10)))
              .isInstanceOf(BatchException.class)
              .hasMessageContaining("dropped some of the rows");
          assertThat(count(tx)).isZero();
        });
  }

  @Test
  void triggerThatCameAfterTheFirstUse_isSeen() {
    sql("create table t (id int primary key, n int)");
    BatchWriter<Row> writer = into(T).build();
    transactions.run(tx -> writer.insert(tx, rows(0, 5)));
    sql(trigger("t", "insert", "if new.id % 2 = 1 then return null; end if;"));
    BatchResult result = transactions.run(tx -> writer.insert(tx, rows(10, 15)));
    assertThat(result.rows(Outcome.SKIPPED)).containsExactly(1, 3);
    assertThat(transactions.<Integer, RuntimeException>run(BatchTriggerTest::count)).isEqualTo(8);
  }

  @Test
  void triggerThatRewritesTheKey_isRefusedByUpserts() {
    sql(
        "create table t (id int primary key, n int);"
            + trigger("t", "insert", "new.id := new.id + 100;"));
    BatchWriter<Row> writer = into(T).build();
    transactions.execute(
        tx -> {
          assertThatThrownBy(() -> writer.upsert(tx, rows(0, 5)))
              .isInstanceOf(BatchException.class)
              .hasMessageContaining("rewrites the key");
          assertThat(count(tx)).isZero();
        });
    BatchResult counted =
        transactions.run(tx -> into(T).countsOnly().build().upsert(tx, rows(0, 5)));
    assertThat(counted.written()).isEqualTo(5);
  }

  @Test
  void triggerThatRewritesEveryKey_isNotBlindlyPairedByInsertReturning() {
    sql(
        "create table t (id int primary key, n int);"
            + trigger("t", "insert", "new.id := new.id + 100;"));
    BatchWriter<Row> writer = into(T).returning(ID).build();
    transactions.execute(
        tx -> {
          if (postgres.database().cluster().primary().majorVersion() >= 17) {
            BatchResult result = writer.insertReturning(tx, rows(0, 5));
            assertThat(result.returned(2, ID)).isEqualTo(102);
          } else {
            assertThatThrownBy(() -> writer.insertReturning(tx, rows(0, 5)))
                .isInstanceOf(BatchException.class)
                .hasMessageContaining("0 of 5 written rows");
            assertThat(count(tx)).isZero();
          }
        });
  }

  @Test
  void errorRaisedUnderACodeOfItsOwn_rejectsItsRow() {
    sql(
        "create table t (id int primary key, n int);"
            + trigger(
                "t",
                "insert",
                "if new.id = 3 then raise exception 'mine' using errcode = 'MY001'; end if;"));
    BatchResult result = transactions.run(tx -> into(T).partial().build().insert(tx, rows(0, 5)));
    assertThat(result.rows(Outcome.REJECTED)).containsExactly(3);
    assertThat(result.rejections().get(0).sqlState()).isEqualTo("MY001");
  }
}
