package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.extract;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.keyset.InvalidKeysetQueryException.Reason;
import dev.pgbelay.keyset.KeysetVerdict.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Supplier;
import org.jooq.DSLContext;
import org.jooq.DataType;
import org.jooq.DatePart;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Keys whose type on the server is not the one that jOOQ has: refused by the first page, whichever
 * it is, unless their values come back from a cursor as what they were.
 */
class KeyTypesPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final Table<Record> T = table(name("typed"));
  private static final Field<Long> ID = column("id", SQLDataType.BIGINT);
  private static final int ROWS = 24;

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final Transactions transactions = Transactions.of(postgres.dataSource());

  private static <T> Field<T> column(String column, DataType<T> type) {
    return field(name("typed", column), type.notNull());
  }

  @BeforeAll
  static void load() {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute(
            """
            create extension citext;
            create type mood as enum ('sad', 'ok', 'happy');
            create domain whole as int check (value >= 0);
            create domain handle as citext;
            create domain moment as timestamptz;
            create table typed (
              id bigint primary key, ts timestamp not null, tstz timestamptz not null, n numeric not null,
              qty int not null, f8 double precision not null, f4 real not null, txt text not null, b bool not null,
              d date not null, u uuid not null, whole whole not null, handle handle not null, moment moment not null,
              mood mood not null, moods mood[] not null, ints int[] not null, texts text[] not null,
              c char(6) not null, vc varchar(10) not null, nm name not null, ci citext not null);
            insert into typed
            select i, timestamp '2026-03-29 00:30' + i * interval '10.25 min',
                   timestamptz '2026-03-29 00:30+00' + i / 2 * interval '1 h', i / 2 + 0.25, i % 7, i / 3 + 0.1,
                   i / 3 + 0.1, 't' || i % 5, i % 2 = 0, date '2026-01-01' + i % 4,
                   ('00000000-0000-0000-0000-0000000000' || lpad((i % 6)::text, 2, '0'))::uuid, i % 4,
                   case when i % 2 = 0 then 'Ab' else 'aB' end || i % 3, timestamptz '2026-03-29 00:30+00' + i % 5 * interval '1 us',
                   (array['sad', 'ok', 'happy'])[i % 3 + 1]::mood, array[(array['sad', 'ok', 'happy'])[i % 3 + 1]]::mood[],
                   array[i % 3, i % 2], array['x' || i % 3, 'a,"\\'], 'c' || i % 3, 'v ' || i % 3, 'n' || i % 3, (array['x','X','y'])[i % 3 + 1]
            from generate_series(1, 24) i;
            """);
  }

  /** What jOOQ has, what the server has, and what says it right. */
  @SuppressWarnings("ImmutableEnumChecker")
  enum Mistaken {
    TIMESTAMP_AS_INSTANT(
        () -> column("ts", SQLDataType.INSTANT),
        SQLDataType.LOCALDATETIME,
        "timestamp",
        Instant.parse("2026-03-29T00:50:30Z")),
    NUMERIC_AS_DOUBLE(() -> column("n", SQLDataType.DOUBLE), SQLDataType.NUMERIC, "numeric", 3.25),
    NUMERIC_AS_INTEGER(() -> column("n", SQLDataType.INTEGER), SQLDataType.NUMERIC, "numeric", 3),
    EXTRACT_AS_INTEGER(
        () -> extract(column("ts", SQLDataType.LOCALDATETIME), DatePart.EPOCH),
        SQLDataType.NUMERIC,
        "numeric",
        1774744830),
    PRODUCT_AS_INTEGER(
        () -> column("qty", SQLDataType.INTEGER).mul(inline(0.3, SQLDataType.NUMERIC)),
        SQLDataType.NUMERIC,
        "numeric",
        1),
    DOUBLE_AS_LONG(() -> column("f8", SQLDataType.BIGINT), SQLDataType.DOUBLE, "float8", 3L),
    TIMESTAMP_AS_STRING(
        () -> column("ts", SQLDataType.CLOB),
        SQLDataType.LOCALDATETIME,
        "timestamp",
        "2026-03-29 00:50:30"),
    TIMESTAMPTZ_AS_LOCAL(
        () -> column("tstz", SQLDataType.LOCALDATETIME),
        SQLDataType.TIMESTAMPWITHTIMEZONE,
        "timestamptz",
        "2026-03-29T00:50:30"),
    TIMESTAMP_AS_DATE(
        () -> column("ts", SQLDataType.LOCALDATE),
        SQLDataType.LOCALDATETIME,
        "timestamp",
        LocalDate.of(2026, 3, 29)),
    TEXT_AS_UUID(() -> column("txt", SQLDataType.UUID), SQLDataType.CLOB, "text", new UUID(0, 1)),
    INTEGER_AS_BOOLEAN(() -> column("qty", SQLDataType.BOOLEAN), SQLDataType.INTEGER, "int4", true),
    TEXT_AS_BYTES(() -> column("txt", SQLDataType.BLOB), SQLDataType.CLOB, "text", new byte[] {1}),
    ARRAY_AS_STRING(() -> column("ints", SQLDataType.CLOB), SQLDataType.OTHER, "_int4", "{1,1}"),
    ENUM_ARRAY_AS_STRING(
        () -> column("moods", SQLDataType.CLOB), SQLDataType.OTHER, "_mood", "{ok}"),
    DOMAIN_AS_LOCAL(
        () -> column("moment", SQLDataType.LOCALDATETIME),
        SQLDataType.TIMESTAMPWITHTIMEZONE,
        "timestamptz",
        "2026-03-29T00:30:00");

    private final Supplier<Field<?>> declared;
    private final DataType<?> real;
    private final String serverType;
    private final Object value;

    Mistaken(Supplier<Field<?>> declared, DataType<?> real, String serverType, Object value) {
      this.declared = declared;
      this.real = real;
      this.serverType = serverType;
      this.value = value;
    }
  }

  private static KeysetQuery<Long> query(Field<?> key, SortField<?>... order) {
    return KeysetQuery.from(select(ID).from(T).where(ID.gt(0L)))
        .named("typed")
        .orderBy(order)
        .notNull(key)
        .unique(ID)
        .cursors(CODEC)
        .mapRow(row -> row.getLong(1))
        .build();
  }

  @ParameterizedTest
  @EnumSource(Mistaken.class)
  void keyOfAnotherTypeThanJooqHas_isRefusedByTheFirstPageWhicheverItIs(Mistaken mistaken) {
    Field<?> key = mistaken.declared.get();
    List<SortField<?>[]> orders =
        List.of(
            new SortField<?>[] {key.asc(), ID.asc()}, new SortField<?>[] {key.desc(), ID.asc()});
    for (SortField<?>[] order : orders) {
      String cursor =
          query(key, order)
              .cursor(query(key, order).prepared().deepLink(List.of(mistaken.value, 5L)));
      for (PageRequest request :
          List.of(
              PageRequest.first(2),
              PageRequest.last(2),
              PageRequest.after(cursor, 2),
              PageRequest.before(cursor, 2),
              PageRequest.after(cursor, 2).withBothEnds().withCountUpTo(9),
              PageRequest.around(cursor, 3))) {
        InvalidKeysetQueryException refused =
            catchThrowableOfType(
                InvalidKeysetQueryException.class, () -> query(key, order).fetch(dsl, request));
        assertThat(refused).as("%s %s", mistaken, request).isNotNull();
        assertThat(refused.reason()).isEqualTo(Reason.KEY_TYPE);
        assertThat(refused)
            .hasMessageContaining("'typed'")
            .hasMessageContaining("is of type " + mistaken.serverType + " on the server")
            .hasMessageContaining(key.getDataType().getTypeName())
            .hasMessageContaining("coerce");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Mistaken.class)
  void keyOfAnotherTypeThanJooqHas_isUnsafeToTheCheck(Mistaken mistaken) {
    Field<?> key = mistaken.declared.get();
    KeysetVerdict verdict = KeysetCheck.run(query(key, key.asc(), ID.desc()), transactions);
    assertThat(verdict.outcome()).as("%s", verdict).isEqualTo(Outcome.UNSAFE);
    assertThat(verdict)
        .asString()
        .contains("is of type " + mistaken.serverType + " on the server")
        .contains("repeat or skip");
    KeysetVerdict right = KeysetCheck.run(coerced(mistaken), transactions);
    assertThat(right).asString().doesNotContain("on the server");
  }

  private static KeysetQuery<Long> coerced(Mistaken mistaken) {
    Field<?> key = mistaken.declared.get().coerce(mistaken.real);
    return query(key, key.desc(), ID.asc());
  }

  @ParameterizedTest
  @EnumSource(Mistaken.class)
  void keyCoercedToTheServersType_isWalked(Mistaken mistaken) {
    assertWalks(mistaken.declared.get().coerce(mistaken.real));
  }

  /** In one direction and in mixed ones, both ways, and across every border of pages. */
  private void assertWalks(Field<?> key) {
    for (SortField<?>[] order :
        List.of(
            new SortField<?>[] {key.asc(), ID.asc()},
            new SortField<?>[] {key.desc(), ID.asc()},
            new SortField<?>[] {key.asc(), ID.desc()})) {
      List<Long> sorted = dsl.select(ID).from(T).orderBy(order).fetch(ID);
      assertThat(sorted).hasSize(ROWS);
      for (int size : new int[] {1, 2, 5}) {
        KeysetQuery<Long> query = query(key, order);
        assertThat(walk(query, size, true)).as("%s forward by %d", query, size).isEqualTo(sorted);
        assertThat(walk(query, size, false)).as("%s backward by %d", query, size).isEqualTo(sorted);
      }
    }
  }

  private List<Long> walk(KeysetQuery<Long> query, int size, boolean forward) {
    List<Long> seen = new ArrayList<>();
    PageRequest request = forward ? PageRequest.first(size) : PageRequest.last(size);
    while (seen.size() <= ROWS) {
      Page<Long> page = query.fetch(dsl, request);
      seen.addAll(forward ? seen.size() : 0, page.items());
      if (forward ? !page.hasNext() : !page.hasPrevious()) {
        return seen;
      }
      request =
          forward
              ? PageRequest.after(page.nextCursor().orElseThrow(), size)
              : PageRequest.before(page.previousCursor().orElseThrow(), size);
    }
    return seen;
  }

  @Test
  void domainsAndWhatTheDatabaseAdds_areWalkedAsTheirBaseTypes() {
    assertWalks(column("whole", SQLDataType.INTEGER));
    assertWalks(column("whole", SQLDataType.BIGINT));
    assertWalks(column("handle", SQLDataType.VARCHAR));
    assertWalks(column("moment", SQLDataType.TIMESTAMPWITHTIMEZONE));
    assertWalks(column("moment", SQLDataType.INSTANT));
    assertWalks(column("mood", SQLDataType.VARCHAR));
    assertWalks(column("ci", SQLDataType.VARCHAR));
  }

  @Test
  void numbersAndTextThatLoseNothing_areWalkedAsAnotherTypeOfTheirKind() {
    assertWalks(column("qty", SQLDataType.BIGINT));
    assertWalks(column("qty", SQLDataType.NUMERIC));
    assertWalks(column("f4", SQLDataType.DOUBLE));
    assertWalks(column("f8", SQLDataType.NUMERIC));
    assertWalks(column("u", SQLDataType.VARCHAR));
    assertWalks(column("c", SQLDataType.CHAR(6)));
    assertWalks(column("c", SQLDataType.CLOB));
    assertWalks(column("vc", SQLDataType.CLOB));
    assertWalks(column("nm", SQLDataType.VARCHAR));
  }

  /** There are no arrays of arrays, so an array cannot be compared as an array of one. */
  @Test
  void arrayAsLeadingKey_isWalkedInMixedDirections() {
    assertWalks(column("ints", SQLDataType.OTHER));
    assertWalks(column("texts", SQLDataType.OTHER));
    assertWalks(column("moods", SQLDataType.OTHER));
  }

  @Test
  void refusalInsideATransaction_comesBeforeAnyRow() {
    Field<?> key = Mistaken.TIMESTAMP_AS_INSTANT.declared.get();
    List<Long> handedOn = new ArrayList<>();
    KeysetQuery<Long> query =
        KeysetQuery.from(select(ID).from(T))
            .orderBy(key.asc())
            .unique(ID)
            .cursors(CODEC)
            .mapRow(
                row -> {
                  handedOn.add(row.getLong(1));
                  return row.getLong(1);
                })
            .build();
    assertThat(
            catchThrowableOfType(
                    InvalidKeysetQueryException.class,
                    () -> transactions.execute(tx -> query.fetch(tx.dsl(), PageRequest.first(3))))
                .reason())
        .isEqualTo(Reason.KEY_TYPE);
    assertThat(
            catchThrowableOfType(
                    InvalidKeysetQueryException.class,
                    () -> KeysetExport.of(query, transactions).run(handedOn::add))
                .reason())
        .isEqualTo(Reason.KEY_TYPE);
    assertThat(handedOn).isEmpty();
  }

  @Test
  void columnThatChangesItsTypeLater_isReadExactlyOrRefused() {
    dsl.execute("create table changing as select id, qty from typed");
    Field<Long> id = field(name("changing", "id"), SQLDataType.BIGINT.notNull());
    Field<Integer> qty = field(name("changing", "qty"), SQLDataType.INTEGER.notNull());
    KeysetQuery<Long> query =
        KeysetQuery.from(select(id).from(table(name("changing"))))
            .orderBy(qty.asc())
            .unique(id)
            .cursors(CODEC)
            .mapRow(row -> row.getLong(1))
            .build();
    assertThat(query.fetch(dsl, PageRequest.first(3)).items()).hasSize(3);
    dsl.execute("alter table changing alter qty type numeric using qty + 0.5");
    assertThat(
            catchThrowableOfType(
                    InvalidKeysetQueryException.class, () -> query.fetch(dsl, PageRequest.first(3)))
                .reason())
        .isEqualTo(Reason.KEY_TYPE);
  }

  @Test
  void steadyPages_areWithoutTheColumnsThatShowTypes() {
    KeysetQuery<Long> query = query(ID, ID.asc());
    PageShape first = query.prepared().shapes().get(0);
    assertThat(query.prepared().pageStatement(first).isTyped()).isTrue();
    query.fetch(dsl, PageRequest.first(1));
    assertThat(query.prepared().pageStatement(first).isTyped()).isFalse();
  }
}
