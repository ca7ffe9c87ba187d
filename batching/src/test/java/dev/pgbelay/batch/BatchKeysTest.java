package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.IntStream;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.conf.ParamType;
import org.jooq.conf.Settings;
import org.jooq.conf.StatementType;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BatchKeysTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private static final Table<?> T = DSL.table(name("public", "t"));
  private static final Field<Object> A = field(name("a"), Object.class);
  private static final Field<Object> B = field(name("b"), Object.class);
  private static final Field<Integer> V = field(name("v"), Integer.class);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  record Row(@Nullable Object a, @Nullable Object b, int v) {}

  private void create(String sql) {
    transactions.execute(tx -> tx.dsl().execute(sql));
  }

  @AfterEach
  void dropTable() {
    create("drop table if exists t cascade");
  }

  private static BatchWriter.Builder<Row> writer() {
    return BatchWriter.into(T, Row.class)
        .column(A, Row::a)
        .column(B, Row::b)
        .column(V, Row::v)
        .duplicates(Duplicates.last());
  }

  private List<Outcome> upsert(BatchWriter<Row> writer, Row... rows) {
    BatchResult result = transactions.run(tx -> writer.upsert(tx, List.of(rows)));
    return IntStream.range(0, rows.length).mapToObj(result::outcome).toList();
  }

  private int count(String where) {
    return transactions.run(
        tx -> tx.dsl().fetchSingle("select count(*) from t where " + where).get(0, int.class));
  }

  @ParameterizedTest
  @EnumSource(
      value = WritePlan.Path.class,
      names = {"UNNEST", "STAGED"})
  void numbersOfDifferentScale_areOneKey(WritePlan.Path path) {
    create("create table t (a numeric primary key, b text, v int)");
    BatchWriter<Row> writer = writer().path(path).build();
    assertThat(
            upsert(
                writer,
                new Row(new BigDecimal("1.0"), "x", 1),
                new Row(new BigDecimal("1.00"), "y", 2),
                new Row(new BigDecimal("2"), "z", 3)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED, Outcome.INSERTED);
    assertThat(count("a = 1 and v = 2")).isEqualTo(1);
  }

  @Test
  void numbersThatTheColumnRoundsTogether_areOneKey() {
    create("create table t (a numeric(6,2) primary key, b text, v int)");
    assertThat(
            upsert(
                writer().build(),
                new Row(new BigDecimal("1.001"), "x", 1),
                new Row(new BigDecimal("1.002"), "y", 2)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED);
  }

  @Test
  void textsOfDifferentCase_areOneCitextKey() {
    create("create extension if not exists citext");
    create("create table t (a citext primary key, b text, v int)");
    assertThat(upsert(writer().build(), new Row("Ann", "x", 1), new Row("ANN", "y", 2)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED);
    assertThat(upsert(writer().build(), new Row("ann", "y", 2))).containsExactly(Outcome.UPDATED);
  }

  @Test
  void paddedTexts_areOneCharKey() {
    create("create table t (a char(5) primary key, b text, v int)");
    assertThat(upsert(writer().build(), new Row("a", "x", 1), new Row("a  ", "y", 2)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED);
  }

  @Test
  void textsThatACollationTakesForEqual_areOneKey() {
    boolean icu =
        transactions.run(
            tx ->
                tx.dsl()
                    .fetchSingle(
                        "select exists (select from pg_collation where collprovider = 'i')")
                    .get(0, boolean.class));
    org.junit.jupiter.api.Assumptions.assumeTrue(icu, "server without ICU");
    create(
        "create collation if not exists caseless"
            + " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    create("create table t (a text collate caseless primary key, b text, v int)");
    assertThat(upsert(writer().build(), new Row("Ann", "x", 1), new Row("ANN", "y", 2)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED);
    assertThat(upsert(writer().build(), new Row("aNN", "y", 2))).containsExactly(Outcome.UPDATED);
  }

  @Test
  void nullsInTheKey_areDifferentUnlessTheIndexSaysOtherwise() {
    create("create table t (a int, b int, v int, unique (a, b))");
    BatchWriter<Row> distinct = writer().key(A, B).build();
    assertThat(
            upsert(
                distinct,
                new Row(1, null, 1),
                new Row(1, null, 2),
                new Row(1, 1, 3),
                new Row(1, 1, 4)))
        .containsExactly(Outcome.INSERTED, Outcome.INSERTED, Outcome.DUPLICATE, Outcome.INSERTED);
    assertThat(upsert(distinct, new Row(1, null, 1), new Row(1, 1, 9)))
        .containsExactly(Outcome.INSERTED, Outcome.UPDATED);
    assertThat(count("b is null")).isEqualTo(3);
  }

  @Test
  void nullsNotDistinct_areOneKey() {
    create("create table t (a int, b int, v int, unique nulls not distinct (a, b))");
    BatchWriter<Row> same = writer().key(A, B).build();
    assertThat(upsert(same, new Row(1, null, 1), new Row(1, null, 2), new Row(null, null, 3)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED, Outcome.INSERTED);
    assertThat(upsert(same, new Row(1, null, 5), new Row(null, null, 3), new Row(2, null, 3)))
        .containsExactly(Outcome.UPDATED, Outcome.UPDATED, Outcome.INSERTED);
  }

  @Test
  void nullsNotDistinct_areFoundByUpdatesAndDeletesToo() {
    create("create table t (a int, b int, v int, unique nulls not distinct (a, b))");
    BatchWriter<Row> writer = writer().key(A, B).build();
    upsert(writer, new Row(1, null, 1), new Row(null, null, 2), new Row(2, 2, 3));
    BatchResult updated =
        transactions.run(
            tx -> writer.update(tx, List.of(new Row(1, null, 7), new Row(3, null, 7))));
    assertThat(updated.rows(Outcome.UPDATED)).containsExactly(0);
    assertThat(updated.rows(Outcome.SKIPPED)).containsExactly(1);
    assertThat(count("a = 1 and v = 7")).isEqualTo(1);
    BatchResult deleted =
        transactions.run(tx -> writer.delete(tx, List.of(new Row(null, null, 0))));
    assertThat(deleted.count(Outcome.DELETED)).isEqualTo(1);
    assertThat(count("true")).isEqualTo(2);
  }

  @Test
  void everyOperation_locksInTheCollationOfTheIndex() {
    create("create table t (a text collate \"und-x-icu\" primary key, b text, v int)");
    BatchWriter<Row> writer = writer().build();
    transactions.execute(
        tx -> {
          for (WritePlan.Operation operation :
              List.of(
                  WritePlan.Operation.UPSERT,
                  WritePlan.Operation.UPDATE,
                  WritePlan.Operation.DELETE)) {
            writer.insert(tx, List.of(new Row(operation.name(), "x", 1)));
            BatchResult result =
                switch (operation) {
                  case UPSERT -> writer.upsert(tx, List.of(new Row("UPSERT", "y", 2)));
                  case UPDATE -> writer.update(tx, List.of(new Row("UPDATE", "y", 2)));
                  default -> writer.delete(tx, List.of(new Row("DELETE", "y", 2)));
                };
            assertThat(result.written()).isEqualTo(1);
            assertThat(String.join("\n", writer.plan(tx, operation, 10).sql()))
                .containsPattern(
                    "(?s)collate .*und-x-icu.*order by|order by .*collate .*und-x-icu");
          }
        });
  }

  @Test
  void partialIndex_decidesOnlyWhatItCovers() {
    create("create table t (a int, b text, v int)");
    create("create unique index t_active on t (a) where b = 'active'");
    BatchWriter<Row> writer = writer().keyIndex("t_active").build();
    assertThat(
            upsert(
                writer,
                new Row(1, "active", 1),
                new Row(1, "gone", 2),
                new Row(1, "gone", 3),
                new Row(1, "active", 4)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED, Outcome.INSERTED, Outcome.INSERTED);
    assertThat(upsert(writer, new Row(1, "active", 5), new Row(1, "gone", 6)))
        .containsExactly(Outcome.UPDATED, Outcome.INSERTED);
    assertThat(count("b = 'active' and v = 5")).isEqualTo(1);
    assertThat(count("b = 'gone'")).isEqualTo(3);
  }

  @Test
  void partialIndex_isNoKeyForUpdatesAndDeletes() {
    create("create table t (a int, b text, v int)");
    create("create unique index t_active on t (a) where b = 'active'");
    create("insert into t values (1, 'active', 1), (1, 'gone', 1)");
    BatchWriter<Row> writer = writer().keyIndex("t_active").updating(V).build();
    for (WritePlan.Operation operation :
        List.of(WritePlan.Operation.UPDATE, WritePlan.Operation.DELETE)) {
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      tx -> {
                        List<Row> rows = List.of(new Row(1, "active", 5));
                        if (operation == WritePlan.Operation.UPDATE) {
                          writer.update(tx, rows);
                        } else {
                          writer.delete(tx, rows);
                        }
                      }))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("t_active is partial");
    }
    assertThat(count("v = 1")).isEqualTo(2);
  }

  @Test
  void updatesAndDeletes_findRowsByTheCollationOfTheIndex() {
    create(
        "create collation if not exists caseless"
            + " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    create("create table t (a text not null, b text, v int)");
    create("create unique index t_caseless on t (a collate caseless)");
    create("insert into t values ('Ann', 'x', 1), ('Bob', 'x', 1)");
    BatchWriter<Row> writer = writer().keyIndex("t_caseless").updating(V).build();
    BatchResult updated =
        transactions.run(tx -> writer.update(tx, List.of(new Row("ANN", "x", 2))));
    assertThat(updated.count(Outcome.UPDATED)).isEqualTo(1);
    assertThat(count("a = 'Ann' and v = 2")).isEqualTo(1);
    BatchResult deleted =
        transactions.run(tx -> writer.delete(tx, List.of(new Row("bob", "x", 2))));
    assertThat(deleted.count(Outcome.DELETED)).isEqualTo(1);
  }

  @Test
  void keyThatTheColumnWouldRound_findsNoOtherRow() {
    create("create table t (a numeric(6,2) primary key, b text, v int)");
    create("insert into t values (2.50, 'x', 1), (1.00, 'x', 1)");
    BatchWriter<Row> writer = writer().build();
    BatchResult deleted =
        transactions.run(
            tx -> writer.delete(tx, List.of(new Row(new BigDecimal("2.4999"), "x", 1))));
    BatchResult updated =
        transactions.run(
            tx ->
                writer.update(
                    tx,
                    List.of(
                        new Row(new BigDecimal("1.004"), "y", 2),
                        new Row(new BigDecimal("2.5000"), "y", 2))));
    assertThat(deleted.outcome(0)).isEqualTo(Outcome.SKIPPED);
    assertThat(updated.rows(Outcome.SKIPPED)).containsExactly(0);
    assertThat(updated.rows(Outcome.UPDATED)).containsExactly(1);
    assertThat(count("a = 1 and v = 1")).isEqualTo(1);
    assertThat(count("a = 2.5 and v = 2")).isEqualTo(1);
  }

  @Test
  void tablesThatInheritFromTheTarget_areLeftAlone() {
    create("create table t (a int primary key, b text, v int)");
    create("create table heir () inherits (t)");
    create("insert into t values (1, 'x', 1); insert into heir values (1, 'x', 1)");
    BatchWriter<Row> writer = writer().build();
    BatchResult updated =
        transactions.run(tx -> writer.update(tx, List.of(new Row(1, "y", 2), new Row(2, "y", 2))));
    assertThat(updated.rows(Outcome.UPDATED)).containsExactly(0);
    assertThat(updated.rows(Outcome.SKIPPED)).containsExactly(1);
    BatchResult deleted =
        transactions.run(tx -> writer.delete(tx, List.of(new Row(1, "y", 2), new Row(2, "y", 2))));
    assertThat(deleted.rows(Outcome.DELETED)).containsExactly(0);
    assertThat(count("v = 1")).isEqualTo(1);
    create("drop table heir");
  }

  @Test
  void changeThatEqualityDoesNotSee_isMade() {
    create("create extension if not exists citext");
    create("create table t (a int primary key, b citext, v int)");
    BatchWriter<Row> writer = writer().onlyIfChanged().build();
    upsert(writer, new Row(1, "bob", 1), new Row(2, "ann", 1), new Row(3, null, 1));
    assertThat(upsert(writer, new Row(1, "Bob", 1), new Row(2, "ann", 1), new Row(3, null, 1)))
        .containsExactly(Outcome.UPDATED, Outcome.UNCHANGED, Outcome.UNCHANGED);
    BatchResult updated =
        transactions.run(
            tx -> writer.update(tx, List.of(new Row(1, "Bob", 1), new Row(2, "Ann", 1))));
    assertThat(updated.rows(Outcome.UNCHANGED)).containsExactly(0);
    assertThat(count("b::text in ('Bob', 'Ann')")).isEqualTo(2);
  }

  @Test
  void foldThatIsTooLongForItsColumn_isRefusedAndNotCut() {
    create("create table t (a int primary key, b varchar(6), v int)");
    Field<String> b = field(name("b"), String.class);
    BatchWriter<Row> writer =
        BatchWriter.into(T, Row.class)
            .column(A, Row::a)
            .column(b, row -> (String) row.b())
            .column(V, Row::v)
            .duplicates(Duplicates.last().fold(b, (earlier, later) -> earlier.concat(later)))
            .build();
    assertThatThrownBy(() -> upsert(writer, new Row(1, "abcd", 1), new Row(1, "efgh", 1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("22001");
    assertThat(upsert(writer, new Row(1, "abc", 1), new Row(1, "def", 1)))
        .containsExactly(Outcome.INSERTED, Outcome.DUPLICATE);
    assertThat(count("b = 'abcdef'")).isEqualTo(1);
  }

  @Test
  void inlineValuesInConditions_areTakenAndNamedOnesRefused() {
    create("create table t (a int primary key, b text, v int)");
    Field<Integer> stored = field(name("public", "t", "v"), Integer.class);
    BatchWriter<Row> writer =
        writer()
            .set(V, stored.plus(DSL.inline(2)).plus(3))
            .onlyIf(stored.lt(DSL.inline(5)))
            .build();
    upsert(writer, new Row(1, "x", 1));
    assertThat(upsert(writer, new Row(1, "x", 1))).containsExactly(Outcome.UPDATED);
    assertThat(upsert(writer, new Row(1, "x", 1))).containsExactly(Outcome.SKIPPED);
    assertThat(count("v = 6")).isEqualTo(1);
    BatchWriter<Row> named = writer().onlyIf(stored.lt(DSL.param("most", 5))).build();
    assertThatThrownBy(() -> upsert(named, new Row(1, "x", 1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("most");
  }

  /** Tx.join takes the caller's jOOQ as it is set. */
  @Test
  void valuesOfTheCallersSql_areBoundHoweverJooqIsSet() throws SQLException {
    create("create table t (a int primary key, b text, v int)");
    Field<Integer> stored = field(name("public", "t", "v"), Integer.class);
    for (Settings settings :
        List.of(
            new Settings().withStatementType(StatementType.STATIC_STATEMENT),
            new Settings().withParamType(ParamType.INLINED),
            new Settings().withParamType(ParamType.NAMED))) {
      BatchWriter<Row> writer =
          writer()
              .set(V, stored.plus(3))
              .onlyIf(stored.lt(5))
              .duplicates(
                  Duplicates.last().fold(V, (earlier, later) -> earlier.plus(later).plus(7)))
              .build();
      try (Connection own = postgres.dataSource().getConnection()) {
        own.setAutoCommit(false);
        Tx tx = Tx.join(DSL.using(own, SQLDialect.POSTGRES, settings));
        List<Row> rows = List.of(new Row(1, "x", 1), new Row(2, "y", 1), new Row(2, "z", 2));
        assertThat(writer.upsert(tx, rows).rows(Outcome.INSERTED)).containsExactly(0, 1);
        assertThat(writer.upsert(tx, rows).rows(Outcome.UPDATED)).containsExactly(0);
        assertThat(tx.dsl().fetch("select v from t order by a").getValues(0, Integer.class))
            .containsExactly(4, 10);
        own.rollback();
      }
    }
  }

  @Test
  void intervalsThatTheColumnRoundsTogether_areOneKey() {
    create("create table t (a interval(0) primary key, b text, v int)");
    BatchWriter<Row> writer = writer().build();
    assertThat(upsert(writer, new Row("1.2 s", "x", 1), new Row("1.3 s", "y", 2)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED);
    assertThat(upsert(writer, new Row("1.4 s", "x", 1))).containsExactly(Outcome.UPDATED);
  }

  @Test
  void expressionIndex_decidesByItsExpression() {
    create("create table t (a text not null, b text, v int)");
    create("create unique index t_lower on t (lower(a))");
    BatchWriter<Row> writer = writer().keyIndex("t_lower").build();
    assertThat(
            upsert(writer, new Row("Ann", "x", 1), new Row("ANN", "y", 2), new Row("Bob", "", 3)))
        .containsExactly(Outcome.DUPLICATE, Outcome.INSERTED, Outcome.INSERTED);
    assertThat(upsert(writer, new Row("ann", "x", 1), new Row("Cid", "", 3)))
        .containsExactly(Outcome.UPDATED, Outcome.INSERTED);
  }

  @Test
  void secondUniqueIndex_rejectsOnlyItsOwnRow() {
    create("create table t (a int primary key, b int unique, v int)");
    create("insert into t values (1, 10, 0)");
    BatchWriter<Row> writer = writer().key(A).partial().build();
    assertThat(
            upsert(
                writer, new Row(2, 20, 1), new Row(3, 10, 1), new Row(4, 40, 1), new Row(5, 40, 1)))
        .containsExactly(Outcome.INSERTED, Outcome.REJECTED, Outcome.INSERTED, Outcome.REJECTED);
  }

  @Test
  void partitionedTarget_tellsInsertedFromUpdated() {
    create(
        "create table t (a int, b int, v int, primary key (a, b)) partition by list (b);"
            + "create table t1 partition of t for values in (1);"
            + "create table t2 partition of t for values in (2)");
    BatchWriter<Row> writer = writer().onlyIfChanged().build();
    assertThat(upsert(writer, new Row(1, 1, 1), new Row(1, 2, 1)))
        .containsExactly(Outcome.INSERTED, Outcome.INSERTED);
    assertThat(upsert(writer, new Row(1, 1, 7), new Row(1, 2, 1), new Row(2, 2, 1)))
        .containsExactly(Outcome.UPDATED, Outcome.UNCHANGED, Outcome.INSERTED);
    BatchWriter<Row> partial = writer().partial().build();
    assertThat(upsert(partial, new Row(5, 5, 1), new Row(5, 1, 1)))
        .containsExactly(Outcome.REJECTED, Outcome.INSERTED);
    BatchResult deleted =
        transactions.run(tx -> writer.delete(tx, List.of(new Row(1, 1, 0), new Row(9, 1, 0))));
    assertThat(deleted.count(Outcome.DELETED)).isEqualTo(1);
  }

  /** A limit: nothing but the lock on the new row tells it from one that was there. */
  @Test
  void rowOfAPartitionedTargetThatItsOwnTriggerRefersTo_isToldAsUpdated() {
    create(
        "create table t (a int primary key, b int, v int) partition by range (a);"
            + "create table t1 partition of t for values from (0) to (100);"
            + "create table note (a int references t);"
            + "create or replace function noting() returns trigger language plpgsql as"
            + " 'begin insert into note values (new.a); return null; end';"
            + "create trigger noting after insert on t for each row execute function noting()");
    try {
      assertThat(upsert(writer().build(), new Row(1, 1, 1))).containsExactly(Outcome.UPDATED);
    } finally {
      create("drop table note; drop function noting() cascade");
    }
  }

  @Test
  void deferrableConstraint_isRefusedByName() {
    create("create table t (a int primary key deferrable, b int, v int)");
    BatchWriter<Row> writer = writer().build();
    assertThatThrownBy(() -> upsert(writer, new Row(1, 1, 1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("t_pkey")
        .hasMessageContaining("DEFERRABLE");
  }

  @Test
  void keyWithoutUniqueIndex_isRefusedByNameWithWhatThereIs() {
    create("create table t (a int primary key, b int, v int); create index on t (b)");
    assertThatThrownBy(() -> upsert(writer().key(B).build(), new Row(1, 1, 1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("(b)")
        .hasMessageContaining("t_pkey (a)");
    assertThatThrownBy(() -> upsert(writer().keyIndex("t_b_idx").build(), new Row(1, 1, 1)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("t_b_idx");
    assertThat(count("true")).isZero();
  }

  record Lengths(Object key, int v) {}

  private static BatchWriter<Lengths> arrayKeyed() {
    return BatchWriter.into(T, Lengths.class)
        .column(A, Lengths::key)
        .column(V, Lengths::v)
        .duplicates(Duplicates.last())
        .build();
  }

  @Test
  void arrayKeyThatTheColumnRounds_isStoredAndPaired() {
    create("create table t (a numeric(6,2)[] primary key, v int)");
    List<Lengths> rows =
        List.of(
            new Lengths(new BigDecimal[] {new BigDecimal("1.234")}, 1),
            new Lengths(new BigDecimal[] {new BigDecimal("1.231")}, 2));
    for (Outcome expected : List.of(Outcome.INSERTED, Outcome.UPDATED)) {
      BatchResult result = transactions.run(tx -> arrayKeyed().upsert(tx, rows));
      assertThat(result.outcome(0)).isEqualTo(Outcome.DUPLICATE);
      assertThat(result.outcome(1)).isEqualTo(expected);
    }
    assertThat(count("a = '{1.23}' and v = 2")).isOne();
  }

  @Test
  void arrayKeyThatTheColumnCuts_isRefusedAndNothingIsWritten() {
    create("create table t (a varchar(3)[] primary key, v int)");
    List<Lengths> rows = List.of(new Lengths(new String[] {"abc  "}, 1));
    transactions.execute(
        tx ->
            assertThatThrownBy(() -> arrayKeyed().upsert(tx, rows))
                .isInstanceOf(BatchException.class)
                .hasMessageContaining("could be paired"));
    assertThat(count("true")).isZero();
  }

  @ParameterizedTest
  @EnumSource(
      value = WritePlan.Operation.class,
      names = {"UPDATE", "DELETE"})
  void deferrableKeyThatTwoStoredRowsShareForNow_doesNotHideAKeyThatIsAbsent(
      WritePlan.Operation operation) {
    create("create table t (a int unique deferrable initially deferred, b text, v int)");
    BatchWriter<Row> writer = writer().key(A).build();
    transactions.execute(
        tx -> {
          tx.dsl().execute("insert into t values (1, 'x', 0), (1, 'y', 0)");
          List<Row> rows = List.of(new Row(1, "z", 5), new Row(2, "z", 5));
          BatchResult result =
              operation == WritePlan.Operation.UPDATE
                  ? writer.update(tx, rows)
                  : writer.delete(tx, rows);
          assertThat(result.outcome(0))
              .isEqualTo(
                  operation == WritePlan.Operation.UPDATE ? Outcome.UPDATED : Outcome.DELETED);
          assertThat(result.outcome(1)).isEqualTo(Outcome.SKIPPED);
          tx.dsl().execute("delete from t");
        });
  }

  @Test
  void keyWithoutOverlaps_isRefusedByNameForUpserts() {
    int version =
        transactions.run(
            tx ->
                tx.dsl()
                    .fetchSingle("select current_setting('server_version_num')::int")
                    .get(0, int.class));
    assumeTrue(version >= 180_000, "WITHOUT OVERLAPS came with PostgreSQL 18");
    create("create table t (a int4range, b daterange, v int, primary key (a, b without overlaps))");
    Row row = new Row("[1,2)", "[2026-01-01,2026-02-01)", 1);
    BatchWriter<Row> writer = writer().build();
    transactions.execute(tx -> writer.insert(tx, List.of(row)));
    assertThatThrownBy(() -> upsert(writer, row))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("t_pkey")
        .hasMessageContaining("WITHOUT OVERLAPS");
    BatchResult updated =
        transactions.run(
            tx -> writer.update(tx, List.of(new Row("[1,2)", "[2026-01-01,2026-02-01)", 2))));
    assertThat(updated.outcome(0)).isEqualTo(Outcome.UPDATED);
  }
}
