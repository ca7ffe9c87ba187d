package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import javax.sql.DataSource;
import org.jooq.Converter;
import org.jooq.DSLContext;
import org.jooq.ExecuteContext;
import org.jooq.ExecuteListener;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.VisitContext;
import org.jooq.VisitListener;
import org.jooq.conf.MappedSchema;
import org.jooq.conf.RenderMapping;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.jooq.impl.DefaultVisitListenerProvider;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KeyedLoaderPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource -> {
                try (Connection connection = dataSource.getConnection();
                    Statement statement = connection.createStatement()) {
                  statement.execute(
                      """
                      create extension citext;
                      create table orders (id bigint primary key, customer_id bigint, total numeric(12,2) not null);
                      insert into orders select i, nullif(i % 100, 0), i from generate_series(1, 50000) i;
                      create table line (order_id bigint not null, position int not null, product text not null,
                        primary key (order_id, position));
                      insert into line select o, p, 'p' || p from generate_series(1, 1000) o, generate_series(1, 8) p
                        where o % 10 <> 0;
                      create table price (amount numeric primary key, label text not null);
                      insert into price values (1.00, 'one'), (2.5, 'two and a half'), ('NaN', 'none');
                      create table account (email citext primary key, id int not null);
                      insert into account values ('Ann@example.org', 1), ('bob@example.org', 2);
                      create type mood as enum ('sad', 'ok');
                      create table moods (mood mood primary key, label text not null);
                      insert into moods values ('ok', 'fine');
                      create table token (id uuid primary key, code text not null unique);
                      insert into token values
                        ('00000000-0000-0000-0000-000000000001', 'a"b\\c,{}');
                      create schema tenant_b;
                      create table tenant_b.orders (like orders);
                      insert into tenant_b.orders values (7, 1, 0.07);
                      """);
                }
              });

  private static final Table<Record> ORDERS = table(name("orders"));
  private static final Field<Long> ORDER_ID = field(name("id"), Long.class);
  private static final Field<BigDecimal> TOTAL = field(name("total"), SQLDataType.NUMERIC(12, 2));
  private static final Table<Record> LINE = table(name("line"));
  private static final Field<Long> LINE_ORDER = field(name("order_id"), Long.class);
  private static final Field<Integer> POSITION = field(name("position"), Integer.class);
  private static final Field<String> PRODUCT = field(name("product"), String.class);

  record Order(long id, BigDecimal total) {}

  record LineKey(long order, @Nullable Integer position) {}

  private static final KeyedLoader<Long, Order> BY_ID =
      KeyedLoader.of(ORDERS, ORDER_ID)
          .columns(ORDER_ID, TOTAL)
          .map(row -> new Order(row.get(ORDER_ID), row.get(TOTAL)))
          .build();
  private static final KeyedLoader<Long, Integer> LINES =
      KeyedLoader.of(LINE, LINE_ORDER).columns(POSITION).map(row -> row.get(POSITION)).build();
  private static final KeyedLoader<LineKey, String> LINE_BY_KEY =
      KeyedLoader.<LineKey>of(
              LINE,
              List.of(LINE_ORDER, POSITION),
              key -> Arrays.asList(key.order(), key.position()))
          .columns(PRODUCT)
          .map(row -> row.get(PRODUCT))
          .build();

  private static final AtomicInteger STATEMENTS = new AtomicInteger();

  private static DSLContext dsl;

  @BeforeAll
  static void connect() {
    dsl = contextOn(postgres.dataSource());
  }

  private static DSLContext contextOn(DataSource dataSource) {
    return DSL.using(
        new DefaultConfiguration()
            .set(dataSource)
            .set(SQLDialect.POSTGRES)
            .set(
                new ExecuteListener() {
                  @Override
                  public void executeStart(ExecuteContext context) {
                    STATEMENTS.incrementAndGet();
                  }
                }));
  }

  @BeforeEach
  void forgetStatements() {
    STATEMENTS.set(0);
  }

  @Test
  void keys_comeBackInTheOrderOfTheRequestInOneStatement() {
    Loaded<Long, Order> loaded = BY_ID.load(dsl, List.of(42L, 7L, 30_000L));

    assertThat(loaded.found().keySet()).containsExactly(42L, 7L, 30_000L);
    assertThat(loaded.find(7L)).contains(new Order(7, new BigDecimal("7.00")));
    assertThat(loaded.missing()).isEmpty();
    assertThat(STATEMENTS).hasValue(1);
  }

  @Test
  void repeatedKeys_areFoldedAndAnsweredEachTime() {
    Loaded<Long, Order> loaded = BY_ID.load(dsl, List.of(2L, 1L, 2L, 99_999L, 2L, 99_999L));

    assertThat(loaded.found().keySet()).containsExactly(2L, 1L);
    assertThat(loaded.missing()).containsExactly(99_999L);
    assertThat(loaded.inOrder().stream().map(row -> row.map(Order::id)))
        .containsExactly(
            Optional.of(2L),
            Optional.of(1L),
            Optional.of(2L),
            Optional.empty(),
            Optional.of(2L),
            Optional.empty());
  }

  @Test
  void missingKeys_areNamedAndUnaskedOnesAreRefused() {
    Loaded<Long, Order> loaded = BY_ID.load(dsl, List.of(-1L, 1L, -2L));

    assertThat(loaded.missing()).containsExactly(-1L, -2L);
    assertThat(loaded.find(-1L)).isEmpty();
    assertThatThrownBy(() -> loaded.find(3L))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("was not among the 3");
  }

  @Test
  void noKeys_sendNoStatement() {
    assertThat(BY_ID.load(dsl, List.of()).found()).isEmpty();
    assertThat(LINES.children(dsl, List.of(), 3, List.of(POSITION.asc()))).isEmpty();
    assertThat(STATEMENTS).hasValue(0);
  }

  @Test
  @SuppressWarnings("NullAway") // a list with null in it is what this is about
  void nullKey_isMissingAndNeverSent() {
    Loaded<Long, Order> loaded = BY_ID.load(dsl, Arrays.asList(null, 5L));

    assertThat(loaded.missing()).hasSize(1).containsNull();
    assertThat(loaded.found().keySet()).containsExactly(5L);
    assertThat(BY_ID.load(dsl, Collections.singletonList(null)).missing()).hasSize(1);
    assertThat(STATEMENTS).as("only the first load had something to ask").hasValue(1);
  }

  @Test
  void moreKeysThanBindsExist_areOneStatement() {
    List<Long> keys = new ArrayList<>(LongStream.rangeClosed(1, 70_000).boxed().toList());
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Collections.shuffle(keys, new Random(seed));

    Loaded<Long, Order> loaded = BY_ID.load(dsl, keys);

    assertThat(loaded.found()).hasSize(50_000);
    assertThat(loaded.missing()).hasSize(20_000).allMatch(key -> key > 50_000);
    assertThat(List.copyOf(loaded.found().keySet()))
        .isEqualTo(keys.stream().filter(key -> key <= 50_000).toList());
    assertThat(STATEMENTS).hasValue(1);
  }

  @Test
  void compositeKeys_arePairedColumnByColumn() {
    List<LineKey> keys =
        List.of(new LineKey(3, 2), new LineKey(2, 3), new LineKey(10, 1), new LineKey(3, 2));

    Loaded<LineKey, String> loaded = LINE_BY_KEY.load(dsl, keys);

    assertThat(loaded.found())
        .containsExactly(entry(new LineKey(3, 2), "p2"), entry(new LineKey(2, 3), "p3"));
    assertThat(loaded.missing()).containsExactly(new LineKey(10, 1));
    assertThat(STATEMENTS).hasValue(1);
  }

  @Test
  void compositeKeyWithNullPart_isMissing() {
    Loaded<LineKey, String> loaded =
        LINE_BY_KEY.load(dsl, List.of(new LineKey(3, null), new LineKey(3, 1)));

    assertThat(loaded.missing()).containsExactly(new LineKey(3, null));
    assertThat(loaded.found()).containsOnlyKeys(new LineKey(3, 1));
  }

  @Test
  void compositeKeyWithTooFewParts_isRefused() {
    KeyedLoader<Long, Record> loader =
        KeyedLoader.<Long>of(LINE, List.of(LINE_ORDER, POSITION), key -> List.of(key))
            .columns(PRODUCT)
            .build();

    assertThatThrownBy(() -> loader.load(dsl, List.of(1L)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("1 parts")
        .hasMessageContaining("order_id, position");
  }

  @Test
  void numericKeys_areEqualAsPostgresSaysAndNotAsJavaSays() {
    Field<BigDecimal> amount = field(name("amount"), SQLDataType.NUMERIC);
    Field<String> label = field(name("label"), String.class);
    KeyedLoader<BigDecimal, String> loader =
        KeyedLoader.of(table(name("price")), amount)
            .columns(label)
            .map(row -> row.get(label))
            .build();

    Loaded<BigDecimal, String> loaded =
        loader.load(
            dsl, List.of(new BigDecimal("1.0"), new BigDecimal("1.00"), new BigDecimal("2.500")));

    assertThat(loaded.missing()).isEmpty();
    assertThat(loaded.found().values()).containsExactly("one", "one", "two and a half");
  }

  @Test
  void citextKeys_areFoundWhateverTheirCaseThoughDeclaredAsText() {
    Field<String> email = field(name("email"), String.class);
    Field<Integer> id = field(name("id"), Integer.class);
    KeyedLoader<String, Integer> loader =
        KeyedLoader.of(table(name("account")), email).columns(id).map(row -> row.get(id)).build();

    Loaded<String, Integer> loaded =
        loader.load(dsl, List.of("ANN@EXAMPLE.ORG", "ann@example.org", "Bob@example.org", "x"));

    assertThat(loaded.found().values()).containsExactly(1, 1, 2);
    assertThat(loaded.missing()).containsExactly("x");
  }

  @Test
  void enumUuidAndAwkwardText_areKeys() {
    Field<String> mood = field(name("mood"), String.class);
    Field<String> label = field(name("label"), String.class);
    assertThat(
            KeyedLoader.of(table(name("moods")), mood)
                .columns(label)
                .map(row -> row.get(label))
                .build()
                .load(dsl, List.of("ok", "sad"))
                .found())
        .containsExactly(entry("ok", "fine"));

    Field<UUID> id = field(name("id"), UUID.class);
    Field<String> code = field(name("code"), String.class);
    UUID known = new UUID(0, 1);
    assertThat(
            KeyedLoader.of(table(name("token")), id)
                .columns(code)
                .map(row -> row.get(code))
                .build()
                .load(dsl, List.of(known, new UUID(0, 2)))
                .found())
        .containsExactly(entry(known, "a\"b\\c,{}"));
    assertThat(
            KeyedLoader.of(table(name("token")), code)
                .columns(id)
                .map(row -> row.get(id))
                .build()
                .load(dsl, List.of("a\"b\\c,{}", "a", "null", "NULL", ""))
                .found())
        .containsExactly(entry("a\"b\\c,{}", known));
  }

  @Test
  void textWithNul_isRefusedByName() {
    Field<String> code = field(name("code"), String.class);
    KeyedLoader<String, Record> loader =
        KeyedLoader.of(table(name("token")), code).columns(code).build();

    assertThatThrownBy(() -> loader.load(dsl, List.of("a\0b")))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("NUL");
  }

  @Test
  void keysThatBecomeOneValueInTheDatabase_bothGetTheRow() {
    Field<String> id =
        field(
            name("id"),
            SQLDataType.BIGINT.asConvertedDataType(
                Converter.of(
                    Long.class, String.class, String::valueOf, text -> Long.valueOf(text.trim()))));
    KeyedLoader<String, BigDecimal> loader =
        KeyedLoader.of(ORDERS, id).columns(TOTAL).map(row -> row.get(TOTAL)).build();

    Loaded<String, BigDecimal> loaded = loader.load(dsl, List.of("7", " 7", "8"));

    assertThat(loaded.missing()).isEmpty();
    assertThat(loaded.found()).hasSize(3);
  }

  @Test
  void keyWithSeveralRows_isRefusedByLoad() {
    assertThatThrownBy(() -> LINES.load(dsl, List.of(1L)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("line by order_id")
        .hasMessageContaining("children");
  }

  @Test
  void children_areLimitedPerParentInOneStatement() {
    Map<Long, List<Integer>> children =
        LINES.children(dsl, List.of(12L, 10L, 3L, 12L), 3, List.of(POSITION.desc()));

    assertThat(children)
        .containsExactly(
            entry(12L, List.of(8, 7, 6)), entry(10L, List.of()), entry(3L, List.of(8, 7, 6)));
    assertThat(STATEMENTS).hasValue(1);
  }

  @Test
  void childrenOfManyParents_matchOneQueryPerParent() {
    List<Long> parents = LongStream.rangeClosed(1, 1_000).boxed().toList();
    Map<Long, List<Integer>> expected = new HashMap<>();
    for (Long parent : parents) {
      expected.put(
          parent,
          dsl.select(POSITION)
              .from(LINE)
              .where(LINE_ORDER.eq(parent))
              .orderBy(POSITION)
              .limit(2)
              .fetch(POSITION));
    }

    assertThat(LINES.children(dsl, parents, 2, List.of(POSITION.asc()))).isEqualTo(expected);
  }

  @Test
  @SuppressWarnings("NullAway") // a list with null in it is what this is about
  void childrenWithNullParent_areNone() {
    assertThat(LINES.children(dsl, Arrays.asList(null, 1L), 1, List.of(POSITION.asc())))
        .hasSize(2)
        .containsEntry(null, List.of())
        .containsEntry(1L, List.of(1));
  }

  @Test
  void childrenWithoutOrderOrLimit_areRefused() {
    assertThatThrownBy(() -> LINES.children(dsl, List.of(1L), 0, List.of(POSITION.asc())))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("limitPerParent");
    assertThatThrownBy(() -> LINES.children(dsl, List.of(1L), 1, List.of()))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("order");
  }

  @Test
  void rowsByJdbc_areTheSameAsByRecords() {
    KeyedLoader<Long, Order> byId =
        KeyedLoader.of(ORDERS, ORDER_ID)
            .columns(ORDER_ID, TOTAL)
            .mapRow(row -> new Order(row.getLong(1), row.getBigDecimal(2)))
            .build();
    KeyedLoader<Long, Integer> lines =
        KeyedLoader.of(LINE, LINE_ORDER).columns(POSITION).mapRow(row -> row.getInt(1)).build();
    KeyedLoader<LineKey, String> byKey =
        KeyedLoader.<LineKey>of(
                LINE,
                List.of(LINE_ORDER, POSITION),
                key -> Arrays.asList(key.order(), key.position()))
            .columns(PRODUCT)
            .mapRow(row -> row.getString(1))
            .build();
    List<Long> ids = List.of(42L, 7L, 99_999L, 30_000L, 7L);
    assertThat(byId.load(dsl, ids).inOrder()).isEqualTo(BY_ID.load(dsl, ids).inOrder());
    for (int limit : new int[] {1, 3, 100}) {
      // Twice, for the text of the first time is found by the field.
      for (int i = 0; i < 2; i++) {
        assertThat(lines.children(dsl, ids, limit, List.of(POSITION.desc())))
            .isEqualTo(LINES.children(dsl, ids, limit, List.of(POSITION.desc())));
        assertThat(lines.children(dsl, ids, limit, List.of(POSITION.asc())))
            .isEqualTo(LINES.children(dsl, ids, limit, List.of(POSITION.asc())));
      }
    }
    List<LineKey> keys = List.of(new LineKey(1, 2), new LineKey(1, null), new LineKey(7, 8));
    assertThat(byKey.load(dsl, keys).inOrder()).isEqualTo(LINE_BY_KEY.load(dsl, keys).inOrder());
    KeyedLoader<Integer, String> small =
        KeyedLoader.of(LINE, POSITION).columns(PRODUCT).mapRow(row -> row.getString(1)).build();
    assertThat(small.children(dsl, List.of(3), 1, List.of(LINE_ORDER.asc())))
        .containsEntry(3, List.of("p3"));
    assertThatThrownBy(() -> small.load(dsl, List.of(3)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("more than one row");
  }

  @Test
  void infiniteDates_areKeysLikeOthers() {
    dsl.execute(
        """
        create table holiday (day date primary key, label text not null);
        insert into holiday values ('infinity', 'never'), ('-infinity', 'always'), ('2026-12-24', 'eve');
        create table moment (at timestamptz primary key);
        insert into moment values ('infinity');
        """);
    Field<LocalDate> day = field(name("day"), LocalDate.class);
    Field<String> label = field(name("label"), String.class);
    KeyedLoader<LocalDate, String> holidays =
        KeyedLoader.of(table(name("holiday")), day)
            .columns(label)
            .map(row -> row.get(label))
            .build();
    assertThat(
            holidays
                .load(dsl, List.of(LocalDate.MAX, LocalDate.of(2026, 12, 24), LocalDate.MIN))
                .found())
        .containsExactly(
            entry(LocalDate.MAX, "never"),
            entry(LocalDate.of(2026, 12, 24), "eve"),
            entry(LocalDate.MIN, "always"));
    Field<OffsetDateTime> at = field(name("at"), OffsetDateTime.class);
    KeyedLoader<OffsetDateTime, Boolean> moments =
        KeyedLoader.of(table(name("moment")), at).columns(at).mapRow(row -> true).build();
    assertThat(moments.load(dsl, List.of(OffsetDateTime.MAX, OffsetDateTime.MIN)).missing())
        .containsExactly(OffsetDateTime.MIN);
    assertThatThrownBy(() -> holidays.load(dsl, List.of(LocalDate.of(12_000, 1, 1))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("12000");
  }

  @Test
  void rowsByJdbc_areReadPastJooqWithALimitToo() {
    KeyedLoader<Long, Integer> lines =
        KeyedLoader.of(LINE, LINE_ORDER).columns(POSITION).mapRow(row -> row.getInt(1)).build();
    assertThat(lines.children(dsl, List.of(7L, 8L), 3, List.of(POSITION.asc())))
        .containsExactly(entry(7L, List.of(1, 2, 3)), entry(8L, List.of(1, 2, 3)));
    assertThat(STATEMENTS).as("statements that jOOQ rendered and ran").hasValue(0);
  }

  @Test
  void requestCache_asksForEachKeyOnce() {
    RequestCache<Long, Order> cache = BY_ID.requestCache();

    assertThat(cache.load(dsl, List.of(1L, -1L)).missing()).containsExactly(-1L);
    Loaded<Long, Order> second = cache.load(dsl, List.of(-1L, 2L, 1L));
    assertThat(second.found().keySet()).containsExactly(2L, 1L);
    assertThat(second.missing()).containsExactly(-1L);
    assertThat(STATEMENTS).hasValue(2);
    cache.load(dsl, List.of(1L, 2L, -1L));
    assertThat(STATEMENTS).as("everything is known").hasValue(2);
    cache.forget(2L);
    cache.load(dsl, List.of(1L, 2L));
    assertThat(STATEMENTS).hasValue(3);
    assertThat(cache.known()).containsExactlyInAnyOrder(1L, 2L, -1L);
  }

  @Test
  void derivedTableWithParameters_isLoadedFrom() {
    Table<?> expensive =
        DSL.select(ORDER_ID, TOTAL)
            .from(ORDERS)
            .where(TOTAL.gt(new BigDecimal("40000")))
            .asTable("expensive");
    KeyedLoader<Long, Record> loader = KeyedLoader.of(expensive, expensive.field(ORDER_ID)).build();

    Loaded<Long, Record> loaded = loader.load(dsl, List.of(39_999L, 40_001L));

    assertThat(loaded.missing()).containsExactly(39_999L);
    Record row = loaded.find(40_001L).orElseThrow();
    assertThat(row.fields()).as("what was asked for and nothing else").hasSize(2);
    assertThat(
            loader
                .children(dsl, List.of(1L, 45_000L), 2, List.of(expensive.field(TOTAL).asc()))
                .get(45_000L))
        .hasSize(1);
    KeyedLoader<Long, BigDecimal> byJdbc =
        KeyedLoader.of(expensive, expensive.field(ORDER_ID))
            .mapRow(each -> each.getBigDecimal(2))
            .build();
    assertThat(byJdbc.load(dsl, List.of(39_999L, 40_001L)).found())
        .containsExactly(Map.entry(40_001L, new BigDecimal("40001.00")));
  }

  @Test
  void schemaMappingOfAnotherContext_isHonoured() {
    Table<Record> orders = table(name("public", "orders"));
    Table<?> generated = DSL.table(orders.getQualifiedName());
    assertThat(generated).isNotNull();
    Table<?> mappable = new TenantTable();
    KeyedLoader<Long, BigDecimal> loader =
        KeyedLoader.of(mappable, mappable.field("id", Long.class))
            .columns(mappable.field("total"))
            .map(row -> row.get(0, BigDecimal.class))
            .build();
    DSLContext tenantB =
        DSL.using(
            postgres.dataSource(),
            SQLDialect.POSTGRES,
            new Settings()
                .withRenderMapping(
                    new RenderMapping()
                        .withSchemata(
                            new MappedSchema().withInput("public").withOutput("tenant_b"))));

    assertThat(loader.load(dsl, List.of(7L)).find(7L)).contains(new BigDecimal("7.00"));
    assertThat(loader.load(tenantB, List.of(7L)).find(7L)).contains(new BigDecimal("0.07"));
    assertThat(loader.load(dsl, List.of(7L)).find(7L)).contains(new BigDecimal("7.00"));
  }

  /** What the code generator would make: only such tables take part in schema mapping. */
  private static final class TenantTable extends org.jooq.impl.TableImpl<Record> {
    private static final long serialVersionUID = 1L;

    private TenantTable() {
      super(name("orders"), DSL.schema(name("public")));
      createField(name("id"), SQLDataType.BIGINT, this);
      createField(name("total"), SQLDataType.NUMERIC(12, 2), this);
    }
  }

  @Test
  void arrayKey_isRefusedAtBuild() {
    Field<byte[]> hash = field(name("hash"), byte[].class);

    assertThatThrownBy(() -> KeyedLoader.of(table(name("t")), hash).columns(hash).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("no equality");
    assertThatThrownBy(() -> KeyedLoader.of(ORDERS, ORDER_ID).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("columns(...)");
  }

  @Test
  void visitListenerOfAnotherConfiguration_isHonoured() {
    KeyedLoader<Long, BigDecimal> loader =
        KeyedLoader.of(ORDERS, ORDER_ID).columns(TOTAL).map(row -> row.get(TOTAL)).build();
    for (String schema : List.of("tenant_b", "public", "tenant_b")) {
      Table<Record> mine = table(name(schema, "orders"));
      VisitListener listener =
          new VisitListener() {
            @Override
            @SuppressWarnings("ReferenceEquality") // that very part
            public void visitStart(VisitContext context) {
              if (context.queryPart() == ORDERS) {
                context.queryPart(mine);
              }
            }
          };
      DSLContext ofTenant =
          DSL.using(
              new DefaultConfiguration()
                  .set(SQLDialect.POSTGRES)
                  .set(new DefaultVisitListenerProvider(listener))
                  .set(postgres.dataSource()));
      assertThat(loader.load(ofTenant, List.of(7L)).find(7L))
          .contains(new BigDecimal(schema.equals("public") ? "7.00" : "0.07"));
    }
    assertThat(loader.load(dsl, List.of(7L)).find(7L)).contains(new BigDecimal("7.00"));
  }
}
