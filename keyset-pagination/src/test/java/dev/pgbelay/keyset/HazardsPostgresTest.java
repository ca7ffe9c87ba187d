package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.count;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.lower;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.rowNumber;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.selectDistinct;
import static org.jooq.impl.DSL.sum;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.keyset.InvalidKeysetQueryException.Reason;
import dev.pgbelay.keyset.Page.Neighbour;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Record2;
import org.jooq.SQLDialect;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** One test for each way in which paging is known to go wrong elsewhere. */
class HazardsPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final Table<Record> P = table(name("parent"));
  private static final Field<Long> P_ID = field(name("parent", "id"), SQLDataType.BIGINT.notNull());
  private static final Field<String> P_NAME =
      field(name("parent", "name"), SQLDataType.CLOB.notNull());
  private static final Field<Integer> P_RANK = field(name("parent", "rank"), SQLDataType.INTEGER);
  private static final Table<Record> C = table(name("child"));
  private static final Field<Long> C_ID = field(name("child", "id"), SQLDataType.BIGINT.notNull());
  private static final Field<Long> C_PARENT =
      field(name("child", "parent_id"), SQLDataType.BIGINT.notNull());
  private static final Field<Integer> C_QTY =
      field(name("child", "qty"), SQLDataType.INTEGER.notNull());

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);

  @BeforeAll
  static void load(DataSource dataSource) {
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.execute("create extension citext");
    dsl.execute("create type mood as enum ('sad', 'ok', 'happy', 'angry')");
    dsl.execute(
        "create collation pgbelay_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    dsl.execute(
        "create table parent (id bigint primary key, name text not null, rank int, doc jsonb)");
    dsl.execute(
        "create table child (id bigint primary key, parent_id bigint not null, qty int not null)");
    dsl.execute(
        """
        insert into parent
        select i, (array['b','A','a','B','ä'])[i % 5 + 1], nullif(i % 4, 0), '{"k": 1}'
        from generate_series(1, 30) i
        """);
    dsl.execute("insert into child select i, i % 30 + 1, i % 6 from generate_series(1, 90) i");
  }

  private static <T> List<T> walk(DSLContext dsl, KeysetQuery<T> query, int size) {
    Page<T> page = query.fetch(dsl, PageRequest.first(size));
    List<T> forward = new ArrayList<>(page.items());
    while (page.hasNext()) {
      page = query.fetch(dsl, PageRequest.after(page.nextCursor().orElseThrow(), size));
      forward.addAll(page.items());
      assertThat(forward).as("%s must end", query).hasSizeLessThan(10_000);
    }
    page = query.fetch(dsl, PageRequest.last(size));
    List<T> backward = new ArrayList<>(page.items());
    while (page.hasPrevious()) {
      page = query.fetch(dsl, PageRequest.before(page.previousCursor().orElseThrow(), size));
      backward.addAll(0, page.items());
      assertThat(backward).as("%s must end", query).hasSizeLessThan(10_000);
    }
    assertThat(backward).as("backward walk of %s", query).isEqualTo(forward);
    return forward;
  }

  /**
   * Microseconds, infinity, BC, NaN, −0, 1.0 and 1.00, char padding, enum and uuid order, citext,
   * nondeterministic collations, bytea, bool: whatever the server holds equal or orders in its own
   * way, with every value three times.
   */
  @ParameterizedTest
  @EnumSource(RandomSchema.Kind.class)
  void everyTypeAtItsEdges_isWalkedInTheServersOrder(RandomSchema.Kind kind) {
    String table = "edge_" + kind.name().toLowerCase(java.util.Locale.ROOT);
    dsl.execute(
        "create table "
            + table
            + " (id bigint generated always as identity, v "
            + kind.sqlType
            + ")");
    for (String literal : kind.literals) {
      dsl.execute(
          "insert into " + table + " (v) select " + literal + " from generate_series(1, 3)");
    }
    dsl.execute("insert into " + table + " (v) select null from generate_series(1, 3)");
    Field<Long> id = field(name(table, "id"), SQLDataType.BIGINT.notNull());
    Field<?> value = field(name(table, "v"), kind.dataType);
    List<SortField<?>[]> orders =
        List.of(
            new SortField<?>[] {value.asc().nullsFirst(), id.asc()},
            new SortField<?>[] {value.asc().nullsLast(), id.desc()},
            new SortField<?>[] {value.desc().nullsFirst(), id.asc()},
            new SortField<?>[] {value.desc().nullsLast(), id.desc()});
    for (SortField<?>[] order : orders) {
      KeysetQuery<Long> query =
          KeysetQuery.from(select(id).from(table(name(table))))
              .orderBy(order)
              .unique(id)
              .cursors(CODEC)
              .mapRow(r -> r.getLong(1))
              .build();
      List<Long> sorted = dsl.select(id).from(table(name(table))).orderBy(order).fetch(id);
      for (int size : new int[] {1, 2, 3, 4, sorted.size()}) {
        assertThat(walk(dsl, query, size)).as("%s, pages of %d", query, size).isEqualTo(sorted);
      }
    }
  }

  @Test
  void timestamptzCursor_isGoodInASessionWithAnotherZone() throws Exception {
    dsl.execute("create table zoned (id bigint primary key, at timestamptz not null)");
    dsl.execute(
        "insert into zoned select i, timestamptz '2026-10-25 00:30:00.000001+00' + i * interval '17 min' from generate_series(1, 12) i");
    Field<Long> id = field(name("zoned", "id"), SQLDataType.BIGINT.notNull());
    Field<OffsetDateTime> at =
        field(name("zoned", "at"), SQLDataType.TIMESTAMPWITHTIMEZONE.notNull());
    KeysetQuery<Long> query =
        KeysetQuery.from(select(id).from(table(name("zoned"))))
            .orderBy(at.asc())
            .unique(id)
            .cursors(CODEC)
            .mapRow(r -> r.getLong(1))
            .build();
    try (var one = postgres.database().connect();
        var other = postgres.database().connect()) {
      DSLContext berlin = DSL.using(one, SQLDialect.POSTGRES);
      DSLContext marquesas = DSL.using(other, SQLDialect.POSTGRES);
      berlin.execute("set timezone = 'Europe/Berlin'");
      marquesas.execute("set timezone = 'Pacific/Marquesas'");
      List<Long> seen = new ArrayList<>();
      Page<Long> page = query.fetch(berlin, PageRequest.first(1));
      seen.addAll(page.items());
      while (page.hasNext() && seen.size() < 100) {
        DSLContext next = seen.size() % 2 == 0 ? berlin : marquesas;
        page = query.fetch(next, PageRequest.after(page.nextCursor().orElseThrow(), 1));
        seen.addAll(page.items());
      }
      assertThat(seen).containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 11L, 12L);
    }
  }

  @Test
  void pageBorderBetweenValueAndNull_losesNothing() {
    for (SortField<?> rank :
        List.of(
            P_RANK.asc().nullsLast(),
            P_RANK.asc().nullsFirst(),
            P_RANK.desc().nullsLast(),
            P_RANK.desc().nullsFirst())) {
      KeysetQuery<Long> query = parents(rank, P_ID.asc());
      List<Long> sorted = dsl.select(P_ID).from(P).orderBy(rank, P_ID.asc()).fetch(P_ID);
      int nulls = dsl.fetchCount(P, P_RANK.isNull());
      int values = sorted.size() - nulls;
      // The border between values and NULLs falls exactly on, one before and one behind a page's
      // end.
      for (int size : new int[] {nulls, nulls - 1, nulls + 1, values, values - 1, values + 1}) {
        assertThat(walk(dsl, query, size)).as("%s pages of %d", query, size).isEqualTo(sorted);
      }
    }
  }

  private static KeysetQuery<Long> parents(SortField<?>... order) {
    return KeysetQuery.from(select(P_ID).from(P))
        .named("parents")
        .orderBy(order)
        .unique(P_ID)
        .cursors(CODEC)
        .map(r -> r.get(P_ID))
        .build();
  }

  @Test
  void whereWithTopLevelOr_keepsItsMeaningOnEveryPage() {
    KeysetQuery<Long> query =
        KeysetQuery.from(select(P_ID).from(P).where(P_RANK.eq(1).or(P_NAME.eq("a"))))
            .orderBy(P_NAME.asc(), P_ID.desc())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    assertThat(walk(dsl, query, 2))
        .isEqualTo(
            dsl.select(P_ID)
                .from(P)
                .where(P_RANK.eq(1).or(P_NAME.eq("a")))
                .orderBy(P_NAME.asc(), P_ID.desc())
                .fetch(P_ID));
  }

  @Test
  void joinThatMultipliesRows_isWalkedWhenItsKeySaysSo() {
    Select<Record2<Long, Long>> join = select(P_ID, C_ID).from(P).join(C).on(C_PARENT.eq(P_ID));
    KeysetQuery<Long> query =
        KeysetQuery.from(join)
            .orderBy(P_NAME.desc(), P_ID.asc())
            .unique(P_ID, C_ID)
            .cursors(CODEC)
            .map(r -> r.get(C_ID))
            .build();
    assertThat(walk(dsl, query, 4))
        .isEqualTo(
            dsl.select(C_ID)
                .from(P)
                .join(C)
                .on(C_PARENT.eq(P_ID))
                .orderBy(P_NAME.desc(), P_ID.asc(), C_ID.asc())
                .fetch(C_ID));
  }

  @Test
  void joinThatMultipliesRows_isNoticedWhenItsKeyDoesNotSaySo() {
    KeysetQuery<?> query =
        KeysetQuery.from(select(P_ID, C_ID).from(P).join(C).on(C_PARENT.eq(P_ID)))
            .named("wrong")
            .orderBy(P_ID.asc())
            .unique(P_ID)
            .cursors(CODEC)
            .build();
    InvalidKeysetQueryException noticed =
        catchThrowableOfType(
            InvalidKeysetQueryException.class, () -> query.fetch(dsl, PageRequest.first(10)));
    assertThat(noticed.reason()).isEqualTo(Reason.DUPLICATE_KEYS);
    assertThat(noticed).hasMessageContaining("wrong").hasMessageContaining("parent.id");
  }

  @Test
  void duplicatesAcrossAPageBorder_areNoticedByTheRowThatIsReadTooMany() {
    KeysetQuery<?> query =
        KeysetQuery.from(select(P_ID, C_ID).from(P).join(C).on(C_PARENT.eq(P_ID)))
            .orderBy(P_ID.asc())
            .unique(P_ID)
            .cursors(CODEC)
            .build();
    assertThat(
            catchThrowableOfType(
                    InvalidKeysetQueryException.class, () -> query.fetch(dsl, PageRequest.first(1)))
                .reason())
        .isEqualTo(Reason.DUPLICATE_KEYS);
  }

  @Test
  void groupBy_isPagedByAggregateAndGroup() {
    Field<BigDecimal> total = sum(C_QTY).as("total");
    Select<?> grouped = select(C_PARENT, total).from(C).groupBy(C_PARENT).having(count().gt(1));
    KeysetQuery<List<Object>> query =
        KeysetQuery.from(grouped)
            .orderBy(total.desc())
            .notNull(total)
            .unique(C_PARENT)
            .cursors(CODEC)
            .map(r -> List.<Object>of(r.get(C_PARENT), r.get(total)))
            .build();
    List<List<Object>> sorted =
        dsl.select(C_PARENT, total)
            .from(C)
            .groupBy(C_PARENT)
            .having(count().gt(1))
            .orderBy(total.desc(), C_PARENT.desc())
            .fetch(r -> List.of(r.get(C_PARENT), r.get(total)));
    assertThat(walk(dsl, query, 7)).isEqualTo(sorted);
  }

  @Test
  void distinct_isPagedOverTheDistinctRows() {
    KeysetQuery<String> query =
        KeysetQuery.from(selectDistinct(P_NAME).from(P))
            .orderBy(P_NAME.asc())
            .unique(P_NAME)
            .cursors(CODEC)
            .map(r -> r.get(P_NAME))
            .build();
    assertThat(walk(dsl, query, 2))
        .isEqualTo(dsl.selectDistinct(P_NAME).from(P).orderBy(P_NAME.asc()).fetch(P_NAME));
  }

  @Test
  void union_isPagedOverBothSides() {
    Select<?> union =
        select(P_ID.as("id"), DSL.inline("p").as("kind"))
            .from(P)
            .where(P_ID.le(param("upTo", SQLDataType.BIGINT)))
            .unionAll(select(C_ID, DSL.inline("c")).from(C).where(C_ID.le(5L)));
    Field<Long> id = field(name("id"), SQLDataType.BIGINT.notNull());
    Field<String> kind = field(name("kind"), SQLDataType.CLOB.notNull());
    KeysetQuery<String> query =
        KeysetQuery.from(union)
            .orderBy(id.desc(), kind.asc())
            .unique(id, kind)
            .cursors(CODEC)
            .map(r -> r.get("kind", String.class) + r.get("id", Long.class))
            .build()
            .with("upTo", 3L);
    assertThat(walk(dsl, query, 3)).containsExactly("c5", "c4", "c3", "p3", "c2", "p2", "c1", "p1");
  }

  @Test
  void windowFunction_countsRowsOfTheWholeSelectNotOfThePage() {
    Field<Integer> place = rowNumber().over(DSL.orderBy(P_ID.desc())).as("place");
    KeysetQuery<Integer> query =
        KeysetQuery.from(select(P_ID, place).from(P))
            .orderBy(P_ID.desc())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(place))
            .build();
    List<Integer> walked = walk(dsl, query, 7);
    assertThat(walked).hasSize(30).isSorted().startsWith(1).endsWith(30);
  }

  @Test
  void limitOfTheSelectItself_isKept() {
    KeysetQuery<Long> query =
        KeysetQuery.from(select(P_ID).from(P).orderBy(P_ID.desc()).limit(10))
            .orderBy(P_ID.asc())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    assertThat(walk(dsl, query, 4))
        .containsExactly(21L, 22L, 23L, 24L, 25L, 26L, 27L, 28L, 29L, 30L);
  }

  @Test
  void commonTableExpression_isPaged() {
    Select<?> select =
        DSL.with("big")
            .as(select(P_ID).from(P).where(P_ID.gt(20L)))
            .select(P_ID, P_NAME)
            .from(P)
            .where(
                P_ID.in(
                    select(field(name("big", "id"), SQLDataType.BIGINT)).from(table(name("big")))));
    KeysetQuery<Long> query =
        KeysetQuery.from(select)
            .orderBy(P_NAME.asc(), P_ID.desc())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    assertThat(walk(dsl, query, 3))
        .isEqualTo(
            dsl.select(P_ID)
                .from(P)
                .where(P_ID.gt(20L))
                .orderBy(P_NAME.asc(), P_ID.desc())
                .fetch(P_ID));
  }

  @Test
  void aliasAsKey_isComparedByWhatItStandsFor() {
    Field<String> shown = lower(P_NAME).as("shown");
    for (SortField<?> key :
        List.of(shown.asc(), field(name("shown"), SQLDataType.CLOB).asc().nullsLast())) {
      KeysetQuery<Long> query =
          KeysetQuery.from(select(P_ID, shown).from(P))
              .orderBy(key)
              .notNull(shown)
              .unique(P_ID)
              .cursors(CODEC)
              .map(r -> r.get(P_ID))
              .build();
      assertThat(walk(dsl, query, 4))
          .isEqualTo(dsl.select(P_ID).from(P).orderBy(lower(P_NAME).asc(), P_ID.asc()).fetch(P_ID));
    }
  }

  @Test
  void expressionAsKey_isTheSameInOrderAndCondition() {
    Field<String> key = lower(P_NAME).collate("C");
    KeysetQuery<Long> query =
        KeysetQuery.from(select(P_ID).from(P))
            .orderBy(key.desc())
            .notNull(key)
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    assertThat(walk(dsl, query, 4))
        .isEqualTo(dsl.select(P_ID).from(P).orderBy(key.desc(), P_ID.desc()).fetch(P_ID));
    assertThat(query.explainPlan().get(1).sql().split("collate", -1)).hasSizeGreaterThan(2);
  }

  @Test
  void nullableExpression_isWalked() {
    Field<Integer> key = P_RANK.mod(2);
    KeysetQuery<Long> query = parents(key.desc().nullsLast(), P_ID.asc());
    assertThat(walk(dsl, query, 4))
        .isEqualTo(
            dsl.select(P_ID).from(P).orderBy(key.desc().nullsLast(), P_ID.asc()).fetch(P_ID));
  }

  @Test
  void scalarSubqueryAndJsonOperator_inTheSelectAreLeftAlone() {
    Field<Integer> children =
        field(select(count()).from(C).where(C_PARENT.eq(P_ID))).as("children");
    KeysetQuery<Long> query =
        KeysetQuery.from(
                select(P_ID, children).from(P).where(DSL.condition("doc ?? 'k'")).and(P_ID.gt(3L)))
            .orderBy(P_ID.asc())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    assertThat(walk(dsl, query, 5)).hasSize(27);
  }

  @Test
  void keysAreBoundAsTheirOwnType_soThatABigintIsComparedAsBigint() {
    dsl.execute(
        "create table typed (id bigint primary key, at timestamptz not null, n numeric not null)");
    Field<Long> id = field(name("typed", "id"), SQLDataType.BIGINT.notNull());
    Field<OffsetDateTime> at =
        field(name("typed", "at"), SQLDataType.TIMESTAMPWITHTIMEZONE.notNull());
    KeysetQuery<?> query =
        KeysetQuery.from(select(id).from(table(name("typed"))))
            .orderBy(at.asc(), id.asc())
            .unique(id)
            .cursors(CODEC)
            .build();
    PageShape shape = query.prepared().shapes().get(1);
    String text =
        query
            .prepared()
            .statement(shape)
            .text(
                new PageStatement.Limits(21, 1, 0),
                slot -> "$" + (((PageStatement.KeySlot) slot).key() + 1));
    dsl.connection(
        connection -> {
          try (var statement = connection.createStatement()) {
            statement.execute("prepare typed_page as " + text);
            try (var types =
                statement.executeQuery(
                    "select parameter_types::text from pg_prepared_statements where name = 'typed_page'")) {
              types.next();
              assertThat(types.getString(1)).isEqualTo("{\"timestamp with time zone\",bigint}");
            }
            statement.execute("deallocate typed_page");
          }
        });
  }

  @Test
  void hasNext_isExactAtAMultipleOfThePageSize() {
    KeysetQuery<Long> query = parents(P_ID.asc());
    Page<Long> page = query.fetch(dsl, PageRequest.first(15));
    assertThat(page.hasNext()).isTrue();
    page = query.fetch(dsl, PageRequest.after(page.nextCursor().orElseThrow(), 15));
    assertThat(page.items()).hasSize(15);
    assertThat(page.hasNext()).isFalse();
    assertThat(page.nextCursor()).isEmpty();
  }

  @Test
  void emptyPage_leadsBackToTheRowThatItsCursorNamed() {
    KeysetQuery<Long> query = parents(P_ID.asc());
    Page<Long> whole = query.fetch(dsl, PageRequest.first(30));
    String last = whole.cursors().get(29);
    String first = whole.cursors().get(0);

    Page<Long> behind = query.fetch(dsl, PageRequest.after(last, 5).withBothEnds());
    assertThat(behind.isEmpty()).isTrue();
    assertThat(behind.next()).isEqualTo(Neighbour.NONE);
    assertThat(behind.nextCursor()).isEmpty();
    assertThat(behind.previous()).isEqualTo(Neighbour.SOME);
    assertThat(
            query.fetch(dsl, PageRequest.before(behind.previousCursor().orElseThrow(), 2)).items())
        .containsExactly(29L, 30L);

    Page<Long> before = query.fetch(dsl, PageRequest.before(first, 5).withBothEnds());
    assertThat(before.isEmpty()).isTrue();
    assertThat(before.previousCursor()).isEmpty();
    assertThat(query.fetch(dsl, PageRequest.after(before.nextCursor().orElseThrow(), 2)).items())
        .containsExactly(1L, 2L);

    KeysetQuery<Long> none =
        KeysetQuery.from(select(P_ID).from(P).where(P_ID.lt(0L)))
            .orderBy(P_ID.asc())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    Page<Long> nothing = none.fetch(dsl, PageRequest.first(5));
    assertThat(nothing.nextCursor()).isEmpty();
    assertThat(nothing.previousCursor()).isEmpty();
    assertThat(nothing.hasNext()).isFalse();
    assertThat(nothing.hasPrevious()).isFalse();
  }

  @Test
  void rowOfTheCursorDeletedBetweenPages_leavesTheWalkWhole() {
    dsl.execute("create table shrinking as select i as id from generate_series(1::bigint, 10) i");
    Field<Long> id = field(name("shrinking", "id"), SQLDataType.BIGINT.notNull());
    KeysetQuery<Long> query =
        KeysetQuery.from(select(id).from(table(name("shrinking"))))
            .orderBy(id.asc())
            .unique(id)
            .cursors(CODEC)
            .map(r -> r.get(id))
            .build();
    String cursor = query.fetch(dsl, PageRequest.first(4)).nextCursor().orElseThrow();
    dsl.execute("delete from shrinking where id in (4, 10)");
    assertThat(query.fetch(dsl, PageRequest.after(cursor, 10)).items())
        .containsExactly(5L, 6L, 7L, 8L, 9L);
    assertThat(query.fetch(dsl, PageRequest.from(cursor, 2)).items()).containsExactly(5L, 6L);
    assertThat(query.fetch(dsl, PageRequest.before(cursor, 2)).items()).containsExactly(2L, 3L);
  }

  @Test
  void deepLink_takesAPrefixAndNullAndInfinity() {
    dsl.execute("create table dated (id bigint primary key, at timestamptz)");
    dsl.execute(
        "insert into dated values (1, '-infinity'), (2, '2026-01-01 00:00+00'), (3, '2026-01-01 00:00:00.000001+00'), (4, 'infinity'), (5, null), (6, null)");
    Field<Long> id = field(name("dated", "id"), SQLDataType.BIGINT.notNull());
    Field<OffsetDateTime> at = field(name("dated", "at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
    KeysetQuery<Long> query =
        KeysetQuery.from(select(id).from(table(name("dated"))))
            .orderBy(at.asc().nullsLast(), id.asc())
            .unique(id)
            .cursors(CODEC)
            .map(r -> r.get(id))
            .build();
    OffsetDateTime newYear = OffsetDateTime.parse("2026-01-01T05:45:00+05:45");
    assertThat(query.fetch(dsl, PageRequest.fromKeys(9, newYear)).items())
        .containsExactly(2L, 3L, 4L, 5L, 6L);
    assertThat(query.fetch(dsl, PageRequest.fromKeys(9, newYear.plusNanos(1_000), 3L)).items())
        .containsExactly(3L, 4L, 5L, 6L);
    assertThat(query.fetch(dsl, PageRequest.fromKeys(9, "infinity")).items())
        .containsExactly(4L, 5L, 6L);
    assertThat(query.fetch(dsl, PageRequest.fromKeys(9, "-infinity")).items()).hasSize(6);
    assertThat(query.fetch(dsl, PageRequest.fromKeys(9, (Object) null)).items())
        .containsExactly(5L, 6L);
    assertThat(query.fetch(dsl, PageRequest.fromKeys(9, null, 6L)).items()).containsExactly(6L);
    assertThat(query.fetch(dsl, PageRequest.aroundKeys(3, newYear)).items())
        .containsExactly(1L, 2L, 3L);
    Page<Long> atStart = query.fetch(dsl, PageRequest.fromKeys(2, "-infinity").withBothEnds());
    assertThat(atStart.previous()).isEqualTo(Neighbour.NONE);
  }

  @Test
  void namedParameters_mayStandAnywhereAndTwice() {
    KeysetQuery<Long> query =
        KeysetQuery.from(
                select(P_ID)
                    .from(P)
                    .where(
                        param("name", SQLDataType.CLOB)
                            .isNull()
                            .or(P_NAME.eq(param("name", SQLDataType.CLOB)))
                            .and(P_ID.eq(DSL.any(param("ids", SQLDataType.BIGINT.array()))))))
            .orderBy(P_RANK.desc().nullsLast())
            .unique(P_ID)
            .cursors(CODEC)
            .map(r -> r.get(P_ID))
            .build();
    KeysetQuery<Long> some = query.with("ids", new Long[] {1L, 2L, 3L, 4L});
    assertThat(walk(dsl, some.with("name", null), 3)).containsExactlyInAnyOrder(1L, 2L, 3L, 4L);
    assertThat(walk(dsl, some.with("name", "a"), 3)).containsExactly(2L);
  }

  @Test
  void insideATransaction_aPageSeesItsRowsAndLeavesItOpen() {
    dsl.execute("create table inside (id bigint primary key)");
    Field<Long> id = field(name("inside", "id"), SQLDataType.BIGINT.notNull());
    KeysetQuery<Long> query =
        KeysetQuery.from(select(id).from(table(name("inside"))))
            .orderBy(id.asc())
            .unique(id)
            .cursors(CODEC)
            .map(r -> r.get(id))
            .build();
    dsl.transaction(
        config -> {
          DSLContext tx = DSL.using(config);
          tx.execute("insert into inside values (1), (2)");
          assertThat(query.fetch(tx, PageRequest.first(5)).items()).containsExactly(1L, 2L);
          assertThat(query.fetch(dsl, PageRequest.first(5)).items()).isEmpty();
          tx.execute("insert into inside values (3)");
        });
    assertThat(query.fetch(dsl, PageRequest.first(5)).items()).containsExactly(1L, 2L, 3L);
  }

  @Test
  void selectMadePerRequest_givesTheSamePagesAndItsCursorsFit() {
    String cursor = null;
    List<Long> seen = new ArrayList<>();
    do {
      KeysetQuery<Long> query =
          KeysetQuery.from(select(P_ID).from(P).where(P_ID.in(List.of(3L, 5L, 7L, 11L, 13L))))
              .orderBy(P_RANK.asc().nullsFirst())
              .unique(P_ID)
              .cursors(CODEC)
              .map(r -> r.get(P_ID))
              .build();
      Page<Long> page =
          query.fetch(dsl, cursor == null ? PageRequest.first(2) : PageRequest.after(cursor, 2));
      seen.addAll(page.items());
      cursor = page.nextCursor().orElse(null);
    } while (cursor != null);
    assertThat(seen)
        .isEqualTo(
            dsl.select(P_ID)
                .from(P)
                .where(P_ID.in(3L, 5L, 7L, 11L, 13L))
                .orderBy(P_RANK.asc().nullsFirst(), P_ID.asc())
                .fetch(P_ID));
  }
}
