package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.NAME;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What else is at the table, in the transaction and around the connection. */
class BatchSurroundingsTest {
  /** As many as travel by COPY where nothing is in its way. */
  private static final int MANY = Routes.COPY_FROM + 1_000;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(4);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    sql(BatchSchema.CREATE_ITEM);
  }

  @AfterEach
  void dropTable() {
    sql("drop table if exists item cascade");
    sql("drop function if exists touch() cascade");
  }

  private void sql(String sql) {
    transactions.execute(tx -> tx.dsl().execute(sql));
  }

  private int count(String where) {
    return transactions.run(
        tx -> tx.dsl().fetchSingle("select count(*) from item where " + where).get(0, int.class));
  }

  private static List<Outcome> outcomes(BatchResult result) {
    return IntStream.range(0, result.size()).mapToObj(result::outcome).toList();
  }

  private void trigger(String when, String body) {
    sql(
        "create function touch() returns trigger language plpgsql as $$ begin "
            + body
            + " return new; end $$;"
            + "create trigger touching "
            + when
            + " on item for each row execute function touch()");
  }

  @Test
  void triggerThatSkipsRows_leavesThemSkipped() {
    trigger("before insert", "if new.qty % 2 = 1 then return null; end if;");
    BatchWriter<Item> writer = items().build();
    BatchResult inserted = transactions.run(tx -> writer.insert(tx, items(0, 6)));
    assertThat(inserted.rows(Outcome.SKIPPED)).containsExactly(1, 3, 5);
    BatchResult upserted = transactions.run(tx -> writer.upsert(tx, items(4, 8)));
    assertThat(outcomes(upserted))
        .containsExactly(Outcome.UPDATED, Outcome.SKIPPED, Outcome.INSERTED, Outcome.SKIPPED);
    BatchWriter<Item> changed = items().onlyIfChanged().build();
    BatchResult again = transactions.run(tx -> changed.upsert(tx, items(6, 8)));
    assertThat(outcomes(again)).containsExactly(Outcome.UNCHANGED, Outcome.SKIPPED);
    BatchResult copied = transactions.run(tx -> writer.insert(tx, items(1000, 1000 + MANY)));
    assertThat(copied.count(Outcome.SKIPPED)).isEqualTo(MANY / 2);
    assertThat(copied.count(Outcome.INSERTED)).isEqualTo(MANY / 2);
  }

  @Test
  void triggerThatRewritesRows_isSeenInReturnedValues() {
    trigger("before insert or update", "new.name := upper(new.name);");
    BatchWriter<Item> writer = items().returning(NAME).build();
    BatchResult result = transactions.run(tx -> writer.upsert(tx, items(1, 3)));
    assertThat(result.returned(1, NAME)).isEqualTo("ITEM 2");
    BatchResult inserted = transactions.run(tx -> writer.insertReturning(tx, items(10, 12)));
    assertThat(inserted.returned(1, NAME)).isEqualTo("ITEM 11");
  }

  @Test
  void triggerThatRaises_rejectsItsRowOnly() {
    trigger("before insert", "if new.qty = 13 then raise exception 'unlucky'; end if;");
    BatchWriter<Item> writer = items().partial().build();
    BatchResult result = transactions.run(tx -> writer.insert(tx, items(0, MANY)));
    assertThat(result.count(Outcome.REJECTED)).isEqualTo(MANY / 100);
    assertThat(result.rejections().get(0).row()).isEqualTo(13);
    assertThat(result.rejections().get(0).sqlState()).isEqualTo("P0001");
    assertThat(count("true")).isEqualTo(MANY - MANY / 100);
  }

  @Test
  void rowLevelSecurity_isNeverBypassedByCopy() {
    sql(
        "create role tenant; grant all on item to tenant;"
            + " alter table item enable row level security;"
            + " create policy few on item using (true) with check (qty < 50)");
    try {
      BatchWriter<Item> partial = items().partial().build();
      BatchResult result =
          transactions.run(
              tx -> {
                tx.dsl().execute("set local role tenant");
                assertThat(partial.plan(tx, WritePlan.Operation.INSERT, MANY).path())
                    .isEqualTo(WritePlan.Path.UNNEST);
                assertThat(partial.plan(tx, WritePlan.Operation.INSERT, MANY).reason())
                    .contains("row level security");
                return partial.insert(tx, items(0, 200));
              });
      assertThat(result.count(Outcome.REJECTED)).isEqualTo(100);
      assertThat(result.rejections().get(0).sqlState()).isEqualTo("42501");
      assertThat(count("true")).isEqualTo(100);
    } finally {
      sql("drop table item; drop role tenant");
    }
  }

  @Test
  void rowLevelSecurityThatCameLater_stopsCopy() {
    BatchWriter<Item> writer = items().build();
    BatchResult before = transactions.run(tx -> writer.insert(tx, items(0, MANY)));
    assertThat(before.path()).isEqualTo(WritePlan.Path.COPY);
    sql(
        "create role tenant; grant all on item to tenant;"
            + " alter table item enable row level security;"
            + " create policy all_rows on item using (true)");
    try {
      BatchResult result =
          transactions.run(
              tx -> {
                tx.dsl().execute("set local role tenant");
                return writer.insert(tx, items(MANY, 2 * MANY));
              });
      assertThat(result.path()).isEqualTo(WritePlan.Path.UNNEST);
      assertThat(result.count(Outcome.INSERTED)).isEqualTo(MANY);
    } finally {
      sql("drop table item; drop role tenant");
    }
  }

  @Test
  void rules_keepCopyAway() {
    sql(
        "create table kept (id bigint); create rule keep as on insert to item do also"
            + " insert into kept values (new.id)");
    BatchWriter<Item> writer = items().build();
    BatchResult result = transactions.run(tx -> writer.insert(tx, items(0, MANY)));
    assertThat(result.path()).isEqualTo(WritePlan.Path.UNNEST);
    int kept =
        transactions.run(tx -> tx.dsl().fetchSingle("select count(*) from kept").get(0, int.class));
    assertThat(kept).isEqualTo(MANY);
    sql("drop table kept cascade");
  }

  @Test
  void rulesForAnOperation_refuseItByName() {
    BatchWriter<Item> writer = items().build();
    transactions.run(tx -> writer.upsert(tx, items(0, 3)));
    sql("create rule alone as on update to item do instead nothing");
    for (WritePlan.Operation operation :
        List.of(WritePlan.Operation.UPDATE, WritePlan.Operation.UPSERT)) {
      assertThatThrownBy(() -> transactions.run(tx -> call(writer, tx, operation)))
          .isInstanceOf(BatchException.class)
          .hasMessageContaining("rules");
    }
    assertThat(
            transactions
                .run(tx -> call(writer, tx, WritePlan.Operation.DELETE))
                .count(Outcome.DELETED))
        .isEqualTo(3);
    sql("create rule alone_too as on delete to item do instead nothing");
    assertThatThrownBy(() -> transactions.run(tx -> call(writer, tx, WritePlan.Operation.DELETE)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("rules");
  }

  private static BatchResult call(BatchWriter<Item> writer, Tx tx, WritePlan.Operation operation) {
    return switch (operation) {
      case INSERT -> writer.insert(tx, items(0, 3));
      case UPSERT -> writer.upsert(tx, items(0, 3));
      case UPDATE -> writer.update(tx, items(0, 3));
      case DELETE -> writer.delete(tx, items(0, 3));
    };
  }

  @Test
  void abandonedCopy_isRolledBackByThePool() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    config.setAutoCommit(false);
    BatchWriter<Item> writer = items().path(WritePlan.Path.COPY).build();
    try (HikariDataSource pool = new HikariDataSource(config)) {
      try (Connection abandoned = pool.getConnection()) {
        // The table has been looked at before, so that nothing but the call itself is sent.
        writer.insert(Tx.join(abandoned), items(0, 10));
        abandoned.rollback();
      }
      try (Connection abandoned = pool.getConnection()) {
        writer.insert(Tx.join(abandoned), items(0, 10));
      }
      try (Connection next = pool.getConnection();
          Statement statement = next.createStatement();
          ResultSet row = statement.executeQuery("select count(*) from item")) {
        row.next();
        assertThat(row.getInt(1)).isZero();
      }
    }
  }

  @Test
  void deferredConstraint_refusesAtCommitAndSaysSo() {
    sql("alter table item add constraint one_name unique (name) deferrable initially deferred");
    BatchWriter<Item> writer = items().build();
    List<Item> rows = new ArrayList<>(items(1, 4));
    rows.add(new Item(9, "item 1", 1, null, item(1).at()));
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      BatchResult result = writer.insert(tx, rows);
                      assertThat(result.count(Outcome.INSERTED)).isEqualTo(4);
                    }))
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.UNIQUE_VIOLATION));
    assertThat(count("true")).isZero();
  }

  @Test
  void statementTimeoutInOneChunk_leavesTheTransactionUsableAndNothingWritten() {
    trigger("before insert", "if new.id = 25 then perform pg_sleep(30); end if;");
    BatchWriter<Item> writer = items().path(WritePlan.Path.UNNEST).chunk(10, 1 << 20).build();
    transactions.execute(
        tx -> {
          tx.dsl().execute("insert into item (id, qty) values (-1, 1)");
          tx.dsl().execute("set local statement_timeout = '1s'");
          assertThatThrownBy(() -> writer.insert(tx, items(0, 50)))
              .isInstanceOf(DataAccessException.class)
              .satisfies(e -> assertThat(Failures.sqlState(e)).contains("57014"));
          tx.dsl().execute("set local statement_timeout = 0");
          assertThat(tx.dsl().fetchCount(ITEM)).isEqualTo(1);
        });
    assertThat(count("true")).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void manyChunksAndCalls_stayBelowTheSubtransactionCache(boolean partial) {
    BatchWriter.Builder<Item> builder = items().path(WritePlan.Path.UNNEST).chunk(5, 1 << 20);
    BatchWriter<Item> writer = partial ? builder.partial().build() : builder.build();
    transactions.execute(
        tx -> {
          writer.insert(tx, items(0, 500));
          for (int i = 0; i < 100; i++) {
            writer.insert(tx, items(1000 + i * 5, 1005 + i * 5));
          }
          if (postgres.database().cluster().primary().majorVersion() >= 16) {
            boolean overflowed =
                tx.dsl()
                    .fetchSingle(
                        "select subxact_overflowed, subxact_count from pg_stat_get_backend_subxact("
                            + "(select b from pg_stat_get_backend_idset() b"
                            + " where pg_stat_get_backend_pid(b) = pg_backend_pid()))")
                    .get(0, boolean.class);
            assertThat(overflowed).as("subtransactions overflowed").isFalse();
          }
          assertThat(tx.dsl().fetchCount(ITEM)).isEqualTo(1000);
        });
  }

  @Test
  void missingGrant_isNotTakenForBadRows() {
    sql("create role nobody_special");
    try {
      BatchWriter<Item> writer = items().partial().build();
      transactions.execute(
          tx -> {
            tx.dsl().execute("set local role nobody_special");
            assertThatThrownBy(() -> writer.insert(tx, items(0, 100)))
                .isInstanceOf(DataAccessException.class)
                .satisfies(e -> assertThat(Failures.sqlState(e)).contains("42501"));
            tx.dsl().execute("select 1");
          });
    } finally {
      sql("drop role nobody_special");
    }
  }

  @Test
  void changedTable_isLookedAtAgain() {
    BatchWriter<Item> writer = items().build();
    transactions.run(tx -> writer.upsert(tx, items(0, 5)));
    sql("alter table item drop constraint item_pkey");
    sql("alter table item add constraint other_key unique (id)");
    BatchWriter<Item> keyed = items().key(BatchSchema.ID).build();
    transactions.run(tx -> keyed.upsert(tx, items(0, 5)));
    sql("alter table item drop constraint other_key");
    assertThatThrownBy(() -> transactions.run(tx -> keyed.upsert(tx, items(0, 5))))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("no unique index");
  }

  @Test
  void unqualifiedTable_followsTheSearchPath() {
    sql("create schema other; create table other.item (like public.item including all)");
    try {
      BatchWriter<Item> writer =
          BatchWriter.into(org.jooq.impl.DSL.table(org.jooq.impl.DSL.name("item")), Item.class)
              .column(BatchSchema.ID, Item::id)
              .column(QTY, Item::qty)
              .build();
      transactions.run(tx -> writer.upsert(tx, items(0, 3)));
      transactions.execute(
          tx -> {
            tx.dsl().execute("set local search_path = other");
            writer.upsert(tx, items(0, 2));
            assertThat(tx.dsl().fetchSingle("select count(*) from other.item").get(0))
                .isEqualTo(2L);
          });
      assertThat(count("true")).isEqualTo(3);
    } finally {
      sql("drop schema other cascade");
    }
  }

  @Test
  void stream_isWrittenInConstantMemoryWithProgress() {
    List<Long> progress = new ArrayList<>();
    BatchWriter<Item> writer = items().chunk(5_000, 4 << 20).progress(progress::add).build();
    BatchResult inserted =
        transactions.run(
            tx -> writer.insert(tx, IntStream.range(0, 100_000).mapToObj(BatchSchema::item)));
    assertThat(inserted.path()).isEqualTo(WritePlan.Path.COPY);
    assertThat(inserted.count(Outcome.INSERTED)).isEqualTo(100_000);
    assertThat(progress).hasSize(20).last().isEqualTo(100_000L);
    Stream<Item> shuffled = IntStream.range(0, 100_000).mapToObj(i -> item(i * 7919 % 100_003));
    BatchWriter<Item> upserting = items().duplicates(Duplicates.last()).build();
    BatchResult upserted = transactions.run(tx -> upserting.upsert(tx, shuffled));
    assertThat(upserted.path()).isEqualTo(WritePlan.Path.STAGED);
    assertThat(upserted.count(Outcome.UPDATED) + upserted.count(Outcome.INSERTED))
        .isEqualTo(100_000);
  }

  @Test
  void rowsThatGetLong_areNotPulledByTheThousandBeforeAnyIsWritten() {
    for (WritePlan.Operation operation : WritePlan.Operation.values()) {
      AtomicInteger pulled = new AtomicInteger();
      List<Long> held = new ArrayList<>();
      BatchWriter<Item> writer =
          items().chunk(10_000, 1 << 20).progress(done -> held.add(pulled.get() - done)).build();
      Stream<Item> rows =
          IntStream.range(0, 400)
              .mapToObj(
                  id -> new Item(id, "x".repeat(id < 64 ? 1 : 100_000), 1, null, item(id).at()))
              .peek(item -> pulled.incrementAndGet());
      transactions.execute(
          tx -> {
            switch (operation) {
              case INSERT -> writer.insert(tx, rows);
              case UPSERT -> writer.upsert(tx, rows);
              case UPDATE -> writer.update(tx, rows);
              case DELETE -> writer.delete(tx, rows);
            }
          });
      assertThat(pulled).hasValue(400);
      // Some 10 long rows are a chunk; twice that, and what is pulled before their length is seen.
      assertThat(held.get(0)).as(operation + ", held behind the first chunk").isLessThan(100);
    }
  }

  @Test
  void chunkOfManyBytes_goesThroughAStageSoThatOrderHolds() {
    BatchWriter<Item> writer = items().chunk(10_000, 4096).build();
    List<Item> rows =
        items(0, 100).stream()
            .map(item -> new Item(item.id(), "x".repeat(500), 1, null, item.at()))
            .toList();
    BatchResult result = transactions.run(tx -> writer.upsert(tx, rows));
    assertThat(result.path()).isEqualTo(WritePlan.Path.STAGED);
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(100);
    BatchResult inserted = transactions.run(tx -> writer.insert(tx, items(200, 400)));
    assertThat(inserted.count(Outcome.INSERTED)).isEqualTo(200);
  }

  @Test
  void unqualifiedTableWithTheNameOfAPartOfTheStatement_isWritten() {
    for (String table : new String[] {"s", "l", "w", "u", "i"}) {
      sql("create table " + table + " (like item including all)");
      try {
        BatchWriter<Item> writer =
            BatchWriter.into(org.jooq.impl.DSL.table(org.jooq.impl.DSL.name(table)), Item.class)
                .column(BatchSchema.ID, Item::id)
                .column(QTY, Item::qty)
                .onlyIfChanged()
                .build();
        transactions.execute(
            tx -> {
              assertThat(writer.upsert(tx, items(1, 4)).count(Outcome.INSERTED)).isEqualTo(3);
              assertThat(writer.update(tx, items(1, 4)).count(Outcome.UNCHANGED)).isEqualTo(3);
              assertThat(writer.delete(tx, items(1, 4)).count(Outcome.DELETED)).isEqualTo(3);
            });
      } finally {
        sql("drop table " + table);
      }
    }
  }

  @Test
  void statementThatTheDriverRefuses_leavesTheTransactionUsable() throws SQLException {
    transactions.execute(
        tx -> {
          BatchConnection session = new BatchConnection(tx.connection(), tx.dsl());
          session.savepoint("never_sent");
          assertThatThrownBy(
                  () ->
                      session.query(
                          StatementSql.of("select ?::int"),
                          new ArrayEncoder<>(List.of(), session.driver()),
                          true,
                          row -> {}))
              .isInstanceOfSatisfying(
                  SQLException.class,
                  e -> {
                    assertThat(RowFailure.is(e, false)).as("a bad row").isFalse();
                    assertThat(e.getSQLState()).isEqualTo("22023");
                  });
          session.unwind("never_sent", null);
          assertThat(tx.dsl().fetchCount(BatchSchema.ITEM)).isZero();
        });
  }

  @Test
  void isolationRepeatableRead_worksAndConflictsAreTold() {
    BatchWriter<Item> writer = items().partial().build();
    TxOptions once =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .retry(TxOptions.Retry.none())
            .build();
    transactions.run(once, tx -> writer.upsert(tx, items(0, 10)));
    assertThat(count("true")).isEqualTo(10);
    assertThatThrownBy(
            () ->
                transactions.execute(
                    once,
                    tx -> {
                      tx.dsl().fetchCount(BatchSchema.ITEM);
                      try (Connection another = postgres.database().connect();
                          Statement update = another.createStatement()) {
                        update.execute("update item set qty = 50 where id = 3");
                      }
                      writer.update(tx, items(0, 10));
                    }))
        .as("not taken for a bad row")
        .satisfies(
            e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
    assertThat(count("qty = 50")).isEqualTo(1);
  }
}
