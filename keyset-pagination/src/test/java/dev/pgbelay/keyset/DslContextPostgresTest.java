package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Pattern;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.TableField;
import org.jooq.VisitListener;
import org.jooq.conf.MappedSchema;
import org.jooq.conf.MappedTable;
import org.jooq.conf.RenderMapping;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.jooq.impl.SQLDataType;
import org.jooq.impl.TableImpl;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a {@code DSLContext} brings along: names, listeners, a transaction with a deadline. */
class DslContextPostgresTest {
  private static final List<StatementEvent> SEEN = new CopyOnWriteArrayList<>();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withObserver(
              new StatementObserver() {
                @Override
                public void executed(StatementEvent event) {
                  SEEN.add(event);
                }

                @Override
                public void ended(TransactionEvent event) {}
              });

  private static final Item ITEM = new Item();

  private static final class Item extends TableImpl<Record> {
    private static final long serialVersionUID = 1L;

    final TableField<Record, Integer> id = createField(name("id"), SQLDataType.INTEGER.notNull());

    Item() {
      super(name("item"), DSL.schema(name("app")));
    }

    @Override
    public Class<Record> getRecordType() {
      return Record.class;
    }
  }

  @BeforeAll
  static void createSchemas() {
    DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    for (String schema : List.of("app", "one", "two")) {
      dsl.execute("create schema " + schema);
      dsl.execute("create table " + schema + ".item (id int primary key)");
    }
    dsl.execute("insert into app.item select generate_series(1, 9)");
    dsl.execute("insert into one.item select generate_series(101, 109)");
    dsl.execute("insert into two.item select generate_series(201, 209)");
    dsl.execute("create table one.thing as select generate_series(901, 909) as id");
  }

  private static KeysetQueryBuilder<Integer> items() {
    return KeysetQuery.from(select(ITEM.id).from(ITEM).where(ITEM.id.gt(param("from", 0))))
        .named("items")
        .orderBy(ITEM.id.asc())
        .unique(ITEM.id)
        .cursors(CODEC)
        .map(row -> row.get(ITEM.id));
  }

  private static Settings schema(String to) {
    return new Settings()
        .withRenderMapping(
            new RenderMapping().withSchemata(new MappedSchema().withInput("app").withOutput(to)));
  }

  private static DSLContext dsl(Settings settings) {
    return DSL.using(postgres.dataSource(), SQLDialect.POSTGRES, settings);
  }

  @Test
  void schemaMappingOfTheContext_isAppliedToEveryPageOfTheSameQuery() {
    KeysetQuery<Integer> query = items().build();
    for (int round = 0; round < 2; round++) {
      assertThat(query.fetch(dsl(schema("one")), PageRequest.first(2)).items())
          .containsExactly(101, 102);
      assertThat(query.fetch(dsl(schema("two")), PageRequest.last(2)).items())
          .containsExactly(208, 209);
      assertThat(query.fetch(dsl(new Settings()), PageRequest.first(2)).items())
          .containsExactly(1, 2);
    }
    assertThat(query.under(dsl(schema("one"))).prepared())
        .isSameAs(query.under(dsl(schema("one"))).prepared());
    assertThat(query.under(dsl(schema("app")))).as("a mapping to the same").isSameAs(query);
  }

  @Test
  void cursorOfOneSchema_isRefusedInAnother() {
    KeysetQuery<Integer> query = items().build();
    String one = query.fetch(dsl(schema("one")), PageRequest.first(2)).nextCursor().orElseThrow();
    assertThat(query.fetch(dsl(schema("one")), PageRequest.after(one, 2)).items())
        .containsExactly(103, 104);
    for (Settings other : List.of(schema("two"), new Settings())) {
      assertThat(
              catchThrowableOfType(
                      InvalidCursorException.class,
                      () -> query.fetch(dsl(other), PageRequest.after(one, 2)))
                  .reason())
          .isEqualTo(InvalidCursorException.Reason.OTHER_QUERY);
    }
  }

  @Test
  void tableMappingAndHiddenSchema_areApplied() {
    KeysetQuery<Integer> query = items().build();
    Settings thing =
        new Settings()
            .withRenderMapping(
                new RenderMapping()
                    .withSchemata(
                        new MappedSchema()
                            .withInputExpression(Pattern.compile("a.p"))
                            .withOutput("one")
                            .withTables(new MappedTable().withInput("item").withOutput("thing"))));
    assertThat(query.fetch(dsl(thing), PageRequest.first(1)).items()).containsExactly(901);
    DSLContext hidden = dsl(new Settings().withRenderSchema(false));
    hidden.transaction(
        config -> {
          config.dsl().execute("set local search_path = two");
          assertThat(query.fetch(config.dsl(), PageRequest.first(1)).items()).containsExactly(201);
        });
  }

  @Test
  void mappingOfTheContext_goesBeforeTheOneOfTheQuery() {
    KeysetQuery<Integer> query = items().settings(schema("two")).build();
    assertThat(query.fetch(dsl(new Settings()), PageRequest.first(1)).items()).containsExactly(201);
    assertThat(query.fetch(dsl(schema("one")), PageRequest.first(1)).items()).containsExactly(101);
  }

  @Test
  void moreMappingsThanAreKept_areStillRight() {
    KeysetQuery<Integer> query = items().build();
    for (int i = 0; i < 100; i++) {
      Settings settings = schema("one");
      settings
          .getRenderMapping()
          .withSchemata(new MappedSchema().withInput("other" + i).withOutput("x"));
      assertThat(query.fetch(dsl(settings), PageRequest.first(1)).items()).containsExactly(101);
    }
  }

  @Test
  void exportCheckAndEstimate_useTheMappingOfTheTransactions() {
    KeysetQuery<Integer> query = items().build();
    Transactions mapped =
        Transactions.builder(postgres.dataSource())
            .configuration(new DefaultConfiguration().set(SQLDialect.POSTGRES).set(schema("one")))
            .build();
    List<Integer> all = new ArrayList<>();
    KeysetExport.Progress[] bookmark = new KeysetExport.Progress[1];
    KeysetExport<Integer> export =
        KeysetExport.of(query, mapped)
            .chunkRows(4)
            .onProgress(progress -> bookmark[0] = bookmark[0] == null ? progress : bookmark[0]);
    export.run(all::add);
    assertThat(all).containsExactly(101, 102, 103, 104, 105, 106, 107, 108, 109);
    all.clear();
    export.resume(bookmark[0].cursor().orElseThrow(), all::add);
    assertThat(all).containsExactly(105, 106, 107, 108, 109);
    List<Integer> snapshot = new CopyOnWriteArrayList<>();
    export.snapshot(2, reader -> snapshot::add);
    assertThat(snapshot).hasSize(9).contains(101, 109);
    assertThat(KeysetCheck.run(query, mapped)).asString().doesNotContain("app.item");
    assertThat(query.estimateCount(dsl(schema("one"))).rows()).isPositive();
  }

  @Test
  void visitListeners_areRefusedByName() {
    DSLContext rewriting =
        DSL.using(
            new DefaultConfiguration()
                .set(SQLDialect.POSTGRES)
                .set(postgres.dataSource())
                .set(new VisitListener() {}));
    InvalidKeysetQueryException refused =
        catchThrowableOfType(
            InvalidKeysetQueryException.class,
            () -> items().build().fetch(rewriting, PageRequest.first(1)));
    assertThat(refused.reason()).isEqualTo(InvalidKeysetQueryException.Reason.DSL_CONTEXT);
    assertThat(refused).hasMessageContaining("items").hasMessageContaining("visit listeners");
  }

  @Test
  void observersOfCore_seeEveryPage() {
    KeysetQuery<Integer> query = items().build();
    SEEN.clear();
    String cursor =
        query.fetch(dsl(new Settings()), PageRequest.first(2)).nextCursor().orElseThrow();
    query.fetch(dsl(new Settings()), PageRequest.after(cursor, 2));
    assertThat(SEEN).hasSize(2);
    assertThat(SEEN).allMatch(event -> event.autoCommit() && event.failure() == null);
    assertThat(SEEN.get(0).sql()).contains("\"app\".\"item\"");
    assertThat(SEEN.get(1).sql()).contains("\"app\".\"item\".\"id\" > ?");
  }

  /** The row itself tells which timeout was in force while it was read. */
  private static final Field<String> IN_FORCE =
      field("current_setting('statement_timeout')", String.class);

  private static KeysetQuery<Long> timeouts() {
    return KeysetQuery.from(select(ITEM.id, IN_FORCE).from(ITEM))
        .orderBy(ITEM.id.asc())
        .unique(ITEM.id)
        .cursors(CODEC)
        .mapRow(row -> millis(row.getString(2)))
        .build();
  }

  private static long millis(String setting) {
    return setting.endsWith("ms")
        ? Long.parseLong(setting.substring(0, setting.length() - 2))
        : Long.parseLong(setting.substring(0, setting.length() - 1)) * 1_000;
  }

  @Test
  void deadlineOfATransaction_isSetAgainBeforeAPage() {
    KeysetQuery<Long> query = timeouts();
    Transactions transactions = Transactions.of(postgres.dataSource());
    TxOptions options = TxOptions.builder().path("pages").deadline(Duration.ofSeconds(3)).build();
    transactions.execute(
        options,
        tx -> {
          assertThat(query.fetch(tx.dsl(), PageRequest.first(1)).items().get(0))
              .isBetween(1_500L, 3_000L);
          await().pollInSameThread().until(() -> tx.remaining().orElseThrow().toMillis() < 1_400);
          assertThat(query.fetch(tx.dsl(), PageRequest.first(1)).items().get(0)).isLessThan(1_400L);
          tx.within(
              Duration.ofMillis(700),
              stretch -> {
                await()
                    .pollInSameThread()
                    .until(() -> stretch.remaining().orElseThrow().toMillis() < 300);
                return assertThat(query.fetch(stretch.dsl(), PageRequest.first(1)).items().get(0))
                    .isLessThan(300L);
              });
        });
  }

  @Test
  void pageBehindTheDeadlineOfItsTransaction_isNotSent() {
    KeysetQuery<Long> query = timeouts();
    Transactions transactions = Transactions.of(postgres.dataSource());
    TxOptions options = TxOptions.builder().path("pages").deadline(Duration.ofMillis(300)).build();
    TransactionException late =
        catchThrowableOfType(
            TransactionException.class,
            () ->
                transactions.execute(
                    options,
                    tx -> {
                      await().pollInSameThread().until(() -> tx.remaining().orElseThrow().isZero());
                      SEEN.clear();
                      query.fetch(tx.dsl(), PageRequest.first(1));
                    }));
    assertThat(late.kind()).isEqualTo(FailureKind.DEADLINE_EXCEEDED);
    assertThat(SEEN).noneMatch(event -> event.sql().contains("item"));
  }
}
