package dev.pgbelay.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.any;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.lower;
import static org.jooq.impl.DSL.max;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.selectDistinct;
import static org.jooq.impl.DSL.table;
import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.keyset.view.PageView;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.conf.RenderKeywordCase;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Where what jOOQ believes of a select is not what PostgreSQL makes of it. */
class DeclaredAndRealPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final CursorCodec CODEC = CursorCodec.signed(KeyRing.of("a", new byte[32]));
  private static final Table<Record> A = table(name("a"));
  private static final Table<Record> B = table(name("b"));
  private static final Field<Integer> A_ID = field(name("a", "id"), SQLDataType.INTEGER.notNull());
  private static final Field<Integer> A_B = field(name("a", "b_id"), SQLDataType.INTEGER);
  private static final Field<String> A_FIRST =
      field(name("a", "first"), SQLDataType.CLOB.notNull());
  private static final Field<String> A_LAST = field(name("a", "last"), SQLDataType.CLOB.notNull());
  private static final Field<Integer> B_ID = field(name("b", "id"), SQLDataType.INTEGER.notNull());
  private static final Field<String> B_NAME = field(name("b", "name"), SQLDataType.CLOB.notNull());

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);

  @BeforeAll
  static void createTables() {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute(
            """
            create table b (id int primary key, name text not null);
            create table a (id int primary key, b_id int, first text not null, last text not null);
            insert into b select i, 'name ' || i % 2 from generate_series(1, 4) i;
            insert into a select i, case when i % 3 > 0 then 1 + i % 4 end,
                                 'f' || (10 - i), 'l' || i from generate_series(1, 9) i;
            """);
  }

  private static KeysetQuery<Integer> byId() {
    return query(select(A_ID).from(A))
        .orderBy(A_ID.asc())
        .unique(A_ID)
        .map(row -> row.get(A_ID))
        .build();
  }

  @Test
  void outerJoinOfNotNullColumn_losesNoRowWhereTheOrderSaysWhereNullsGo() {
    var joined = select(A_ID, B_NAME).from(A).leftJoin(B).on(A_B.eq(B_ID));

    assertThat(walk(query(joined).orderBy(B_NAME.asc().nullsLast()).unique(A_ID), 2)).hasSize(9);
    assertThat(walk(query(joined).orderBy(B_NAME.desc().nullsFirst()).unique(A_ID), 2)).hasSize(9);
  }

  @Test
  void outerJoinOfNotNullColumn_isRefusedAloudWhereTheOrderSaysNothing() {
    var joined = select(A_ID, B_NAME).from(A).leftJoin(B).on(A_B.eq(B_ID));
    KeysetQuery<Integer> query =
        query(joined).orderBy(B_NAME.asc()).unique(A_ID).map(row -> row.get(A_ID)).build();

    assertThatThrownBy(() -> query.fetch(dsl, PageRequest.first(9)))
        .isInstanceOf(InvalidKeysetQueryException.class)
        .hasMessageContaining("read NULL in key");
  }

  @Test
  void keyNotSelectedBehindDistinct_isRefusedThoughAnotherTableHasItsName() {
    var distinct = selectDistinct(B_ID).from(A).join(B).on(A_B.eq(B_ID));

    assertThatThrownBy(() -> query(distinct).orderBy(A_ID.asc()).unique(A_ID).build())
        .isInstanceOf(InvalidKeysetQueryException.class)
        .hasMessageContaining("not in its select list");
  }

  @Test
  void aggregateNotSelected_isNotTakenForAnotherOfItsName() {
    var grouped = select(A_B, max(A_FIRST)).from(A).where(A_B.isNotNull()).groupBy(A_B);

    assertThatThrownBy(
            () -> query(grouped).orderBy(max(A_LAST).asc().nullsLast()).unique(A_B).build())
        .isInstanceOf(InvalidKeysetQueryException.class)
        .hasMessageContaining("not in its select list");
  }

  @Test
  void expressionKey_isNotReplacedByAnAliasThatIsCalledLikeItsFunction() {
    var aliased = select(A_ID, lower(A_FIRST).as("lower")).from(A);

    assertThat(
            walk(
                query(aliased).orderBy(lower(A_LAST).asc()).notNull(lower(A_LAST)).unique(A_ID), 4))
        .containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9);
  }

  @Test
  void aliasOfACoercedExpression_isItsExpressionThoughAColumnHasItsName() {
    Field<String> last = lower(A_FIRST).coerce(SQLDataType.CLOB.notNull()).as("last");
    Field<String> name = field(name("last"), SQLDataType.CLOB.notNull());
    var aliased = select(A_ID, last).from(A);
    Integer[] byFirst = {9, 8, 7, 6, 5, 4, 3, 2, 1};

    assertThat(walk(query(aliased).orderBy(name.asc()).unique(A_ID), 2)).containsExactly(byFirst);
    assertThat(walk(query(aliased).orderBy(last.asc()).unique(A_ID), 2)).containsExactly(byFirst);
    Field<String> other = last.as("other");
    assertThat(walk(query(select(A_ID, other).from(A)).orderBy(other.asc()).unique(A_ID), 2))
        .containsExactly(byFirst);
    assertThat(walk(query(selectDistinct(A_ID, last).from(A)).orderBy(name.asc()).unique(A_ID), 2))
        .containsExactly(byFirst);
  }

  @Test
  void functionWithoutAlias_isTheFunctionWhereAKeySaysItsName() {
    Field<String> name = field(name("lower"), SQLDataType.CLOB.notNull());

    assertThat(
            walk(query(select(A_ID, lower(A_FIRST)).from(A)).orderBy(name.asc()).unique(A_ID), 2))
        .containsExactly(9, 8, 7, 6, 5, 4, 3, 2, 1);
  }

  @Test
  void valueAsAKey_isRefused_alsoWhereSqlWouldTakeItForAColumnsPlace() {
    var rows = select(A_ID, A_LAST).from(A);

    for (Field<Integer> value : List.of(inline(2), val(2))) {
      assertThatThrownBy(() -> query(rows).orderBy(value.asc()).unique(A_ID).build())
          .isInstanceOf(InvalidKeysetQueryException.class)
          .hasMessageContaining("no column's place");
    }
  }

  @Test
  void arrayGivenForAParameter_mayChangeAfterwards() {
    Integer[] ids = {1, 2, 3, 4};
    KeysetQuery<Integer> query =
        query(select(A_ID).from(A).where(A_ID.eq(any(param("ids", Integer[].class)))))
            .orderBy(A_ID.asc())
            .unique(A_ID)
            .map(row -> row.get(A_ID))
            .build()
            .with("ids", ids);
    String cursor = query.fetch(dsl, PageRequest.first(2)).nextCursor().orElseThrow();
    ids[2] = 9;

    assertThat(query.fetch(dsl, PageRequest.after(cursor, 9)).items()).containsExactly(3, 4);
  }

  @Test
  void pageAroundARowThatIsGone_showsTheRowBeforeIt() {
    KeysetQuery<Integer> query = byId();

    Page<Integer> page = query.fetch(dsl, PageRequest.aroundKeys(2, 10));
    assertThat(page.items()).containsExactly(9);
    assertThat(page.hasPrevious()).isTrue();
    assertThat(query.fetch(dsl, PageRequest.aroundKeys(2, 5)).items()).containsExactly(4, 5);
    assertThat(query.fetch(dsl, PageRequest.aroundKeys(1, 5)).items()).containsExactly(5);
    assertThat(query.fetch(dsl, PageRequest.aroundKeys(1, 10)).isEmpty()).isTrue();
  }

  @Test
  void requestThatContradictsItself_isRefusedBeforeAnySqlRuns() {
    KeysetQuery<Integer> query = byId();
    String cursor = query.fetch(dsl, PageRequest.first(2)).nextCursor().orElseThrow();

    for (PageRequest request :
        List.of(
            new PageRequest(
                PageRequest.Position.FIRST,
                Optional.of(cursor),
                List.of(),
                2,
                false,
                OptionalLong.empty()),
            new PageRequest(
                PageRequest.Position.LAST,
                Optional.empty(),
                List.of(3),
                2,
                false,
                OptionalLong.empty()),
            PageRequest.first(2).withCountUpTo(Long.MAX_VALUE),
            PageRequest.fromKeys(2, new @Nullable Object[] {null}))) {
      assertThatThrownBy(() -> query.fetch(dsl, request))
          .isInstanceOf(InvalidPageRequestException.class);
    }
    assertThatThrownBy(
            () ->
                CursorCodec.builder(KeyRing.of("a", new byte[32]))
                    .timeToLive(Duration.ofSeconds(Long.MAX_VALUE))
                    .build())
        .hasMessageContaining("timeToLive");
  }

  @Test
  void parameterNameOfTwoTypes_isRefused() {
    var rows =
        select(A_ID)
            .from(A)
            .where(A_ID.gt(param("x", Integer.class)).or(A_LAST.eq(param("x", String.class))));

    assertThatThrownBy(() -> query(rows).orderBy(A_ID.asc()).unique(A_ID).build())
        .isInstanceOf(InvalidKeysetQueryException.class)
        .hasMessageContaining("'x' as Integer and as String");
  }

  @Test
  void emptyScope_isRefusedBecauseItWouldBindNothing() {
    KeysetQuery<Integer> query = byId();

    assertThatThrownBy(() -> query.inScope(""))
        .isInstanceOf(InvalidPageRequestException.class)
        .hasMessageContaining("scope is empty");
  }

  @Test
  void exportInsideATransaction_isRefusedInItsOwnWords() {
    Transactions transactions = Transactions.of(postgres.dataSource());
    KeysetQuery<Integer> query = byId();

    assertThatThrownBy(
            () -> transactions.execute(tx -> KeysetExport.of(query, transactions).run(row -> {})))
        .isInstanceOf(TransactionException.class)
        .isNotInstanceOf(KeysetExport.Interrupted.class);
  }

  @Test
  void mapperThatReturnsNull_isSeenInAPageView() {
    KeysetQuery<String> query =
        query(select(A_ID).from(A))
            .orderBy(A_ID.asc())
            .unique(A_ID)
            .map(row -> (String) null)
            .build();

    assertThat(PageView.of(query.fetch(dsl, PageRequest.first(2)), item -> item).items())
        .containsExactly(null, null);
  }

  @Test
  void numberThatDoesNotFit_isRefusedAndNotNarrowed() {
    KeysetQuery<Integer> query =
        query(select(A_ID).from(A).where(A_ID.gt(param("least", Integer.class))))
            .orderBy(A_ID.asc())
            .unique(A_ID)
            .map(row -> row.get(A_ID))
            .build();

    assertThatThrownBy(() -> query.with("least", 4_294_967_299L))
        .isInstanceOf(InvalidPageRequestException.class);
    assertThatThrownBy(() -> query.with("least", 3.99))
        .isInstanceOf(InvalidPageRequestException.class);
    assertThatThrownBy(
            () -> query.with("least", 0).fetch(dsl, PageRequest.fromKeys(2, 4_294_967_299L)))
        .isInstanceOf(InvalidPageRequestException.class);
    assertThat(query.with("least", 7L).fetch(dsl, PageRequest.fromKeys(2, "8")).items())
        .containsExactly(8, 9);
  }

  @Test
  void reservedParameterNameAndUpperCaseLock_areRefused() {
    assertThatThrownBy(
            () ->
                query(select(A_ID).from(A).where(A_ID.gt(param("pgbelay_k1", Integer.class))))
                    .orderBy(A_ID.asc())
                    .unique(A_ID)
                    .build())
        .hasMessageContaining("pgbelay_");
    assertThatThrownBy(
            () ->
                query(select(A_ID).from(A).forUpdate())
                    .settings(new Settings().withRenderKeywordCase(RenderKeywordCase.UPPER))
                    .orderBy(A_ID.asc())
                    .unique(A_ID)
                    .build())
        .hasMessageContaining("locks rows");
  }

  private static KeysetQueryBuilder<Record> query(org.jooq.Select<?> select) {
    return KeysetQuery.from(select).cursors(CODEC);
  }

  private List<Integer> walk(KeysetQueryBuilder<Record> builder, int size) {
    KeysetQuery<Integer> query = builder.map(row -> row.get(A_ID)).build();
    List<Integer> seen = new ArrayList<>();
    Optional<String> cursor = Optional.empty();
    do {
      Page<Integer> page =
          query.fetch(
              dsl,
              cursor.map(c -> PageRequest.after(c, size)).orElseGet(() -> PageRequest.first(size)));
      seen.addAll(page.items());
      cursor = page.hasNext() ? page.nextCursor() : Optional.empty();
    } while (cursor.isPresent() && seen.size() < 100);
    return seen;
  }
}
