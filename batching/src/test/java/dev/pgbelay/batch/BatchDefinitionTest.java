package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A writer that is kept for long meets tables that are changed under it. */
class BatchDefinitionTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(4);

  private static final Table<Record> T = DSL.table(name("public", "t"));
  private static final Field<Integer> ID = field(name("id"), SQLDataType.INTEGER);
  private static final Field<BigDecimal> PRICE = field(name("price"), SQLDataType.NUMERIC);
  private static final Field<String> LABEL = field(name("label"), SQLDataType.CLOB);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  record Row(int id, BigDecimal price, @Nullable String label) {}

  private void sql(String sql) {
    transactions.execute(tx -> tx.dsl().execute(sql));
  }

  private String stored(int id) {
    return transactions.run(
        tx ->
            String.valueOf(
                tx.dsl()
                    .fetchSingle("select price || ' ' || label from t where id = ?", id)
                    .get(0)));
  }

  private static List<Row> row(int id, String price, @Nullable String label) {
    return List.of(new Row(id, new BigDecimal(price), label));
  }

  private static BatchWriter<Row> writer() {
    return BatchWriter.into(T, Row.class)
        .column(ID, Row::id)
        .column(PRICE, Row::price)
        .columnOrDefault(LABEL, Row::label)
        .build();
  }

  @AfterEach
  void dropTable() {
    sql("drop table if exists t");
  }

  @Test
  void changesThatMakeNothingFail_holdForTheNextTransaction() {
    sql("create table t (id int primary key, price numeric(10,2), label varchar(3) default 'a')");
    BatchWriter<Row> writer = writer();
    transactions.run(tx -> writer.upsert(tx, row(1, "1.2345", null)));
    assertThat(stored(1)).isEqualTo("1.23 a");
    sql("alter table t alter price type numeric(12,4), alter label set default 'b'");
    transactions.run(tx -> writer.upsert(tx, row(2, "1.2345", null)));
    assertThat(stored(2)).isEqualTo("1.2345 b");
    sql("alter table t alter label type varchar(10)");
    transactions.run(tx -> writer.upsert(tx, row(3, "1", "longer")));
    assertThat(stored(3)).isEqualTo("1.0000 longer");
  }

  @Test
  void changeThatCommitsWhileTheWriteWaitsForIt_holdsForThatWrite() throws Exception {
    sql("create table t (id int primary key, price numeric(10,2), label text default 'a')");
    BatchWriter<Row> writer = writer();
    transactions.run(tx -> writer.upsert(tx, row(1, "1.2345", null)));
    try (Connection changing = postgres.database().connect();
        Statement alter = changing.createStatement()) {
      changing.setAutoCommit(false);
      alter.execute("alter table t alter price type numeric(12,4), alter label set default 'b'");
      CompletableFuture<BatchResult> write =
          CompletableFuture.supplyAsync(
              () -> transactions.run(tx -> writer.upsert(tx, row(2, "1.2345", null))),
              task -> new Thread(task).start());
      Awaitility.await().atMost(60, TimeUnit.SECONDS).until(this::somebodyWaits);
      changing.commit();
      write.get(60, TimeUnit.SECONDS);
    }
    assertThat(stored(2)).isEqualTo("1.2345 b");
  }

  @Test
  void changeAfterASavepointGaveTheLockBack_holdsForTheNextWriteOfTheTransaction()
      throws Exception {
    sql("create table t (id int primary key, price numeric(10,2), label text default 'a')");
    BatchWriter<Row> writer = writer();
    transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              inner -> {
                                writer.upsert(tx, row(1, "1.2345", null));
                                throw new IllegalStateException("back to the savepoint");
                              }))
              .isInstanceOf(IllegalStateException.class);
          try (Connection another = postgres.database().connect();
              Statement alter = another.createStatement()) {
            alter.execute(
                "alter table t alter price type numeric(12,4), alter label set default 'b'");
          }
          writer.upsert(tx, row(2, "1.2345", null));
        });
    assertThat(stored(2)).isEqualTo("1.2345 b");
  }

  @Test
  void defaultsMeanTheSameUnderAnotherSearchPath() {
    sql("create schema one; create schema two");
    try {
      sql("create sequence one.made start 100; create sequence two.made start 900000");
      sql(
          "set local search_path = one; create table public.t (id int primary key default"
              + " nextval('made'), price numeric, label text)");
      BatchWriter<Row> writer =
          BatchWriter.into(T, Row.class)
              .columnOrDefault(ID, Row::id, row -> row.id() == 0)
              .column(PRICE, Row::price)
              .column(LABEL, Row::label)
              .build();
      for (String path : List.of("one", "two")) {
        transactions.execute(
            tx -> {
              tx.dsl().execute("set local search_path = " + path);
              writer.upsert(tx, row(0, "1", path));
              assertThat(tx.dsl().fetchSingle("show search_path").get(0)).isEqualTo(path);
            });
      }
      assertThat(stored(100)).isEqualTo("1 one");
      assertThat(stored(101)).isEqualTo("1 two");
    } finally {
      sql("drop table if exists t; drop schema one cascade; drop schema two cascade");
    }
  }

  @Test
  void newDefaultOfADomain_holdsForTheNextTransaction() {
    sql("create domain labelled as text default 'a'");
    try {
      sql("create table t (id int primary key, price numeric, label labelled)");
      BatchWriter<Row> writer = writer();
      transactions.run(tx -> writer.upsert(tx, row(1, "1", null)));
      sql("alter domain labelled set default 'b'");
      transactions.run(tx -> writer.upsert(tx, row(2, "1", null)));
      assertThat(stored(1)).isEqualTo("1 a");
      assertThat(stored(2)).isEqualTo("1 b");
    } finally {
      sql("drop table t; drop domain labelled");
    }
  }

  private boolean somebodyWaits() throws SQLException {
    return transactions.run(
        tx ->
            tx.dsl()
                .fetchSingle("select exists (select from pg_locks where not granted)")
                .get(0, boolean.class));
  }

  @Test
  void partialIndexOverAColumnThatIsNotMapped_isRefusedByName() {
    sql(
        "create table t (id int not null, price numeric, label text, gone boolean not null"
            + " default false, extra int);"
            + "create unique index live on t (id) include (extra) where not gone");
    BatchWriter<Row> writer =
        BatchWriter.into(T, Row.class)
            .column(ID, Row::id)
            .column(PRICE, Row::price)
            .keyIndex("live")
            .build();
    transactions.execute(
        tx ->
            assertThatThrownBy(() -> writer.upsert(tx, row(1, "1", null)))
                .isInstanceOf(BatchException.class)
                .hasMessageContaining("live")
                .hasMessageContaining("gone, which is not mapped"));
    BatchWriter<Row> mapped =
        BatchWriter.into(T, Row.class)
            .column(ID, Row::id)
            .column(PRICE, Row::price)
            .column(LABEL, Row::label)
            .column(field(name("gone"), SQLDataType.BOOLEAN), each -> false)
            .keyIndex("live")
            .build();
    transactions.run(tx -> mapped.upsert(tx, row(1, "1", "x")));
    assertThat(stored(1)).isEqualTo("1 x");
  }

  @Test
  void sequenceOfAnIdentityThatIsRenamed_staysTheOneThatNumbers() {
    sql(
        "create table t (id int generated by default as identity primary key, price numeric,"
            + " label text)");
    try {
      BatchWriter<Row> writer =
          BatchWriter.into(T, Row.class)
              .columnOrDefault(ID, Row::id, row -> row.id() == 0)
              .column(PRICE, Row::price)
              .column(LABEL, Row::label)
              .build();
      transactions.run(tx -> writer.insert(tx, row(0, "1", "first")));
      sql("alter sequence t_id_seq rename to t_id_seq_old; create sequence t_id_seq start 900000");
      transactions.run(tx -> writer.insert(tx, row(0, "1", "second")));
      assertThat(stored(2)).isEqualTo("1 second");
    } finally {
      sql("drop table t; drop sequence if exists t_id_seq");
    }
  }
}
