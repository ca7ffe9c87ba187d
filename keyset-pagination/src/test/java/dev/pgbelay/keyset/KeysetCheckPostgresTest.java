package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.CUSTOMER;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static dev.pgbelay.keyset.OrdersSchema.SHIPPED_AT;
import static dev.pgbelay.keyset.OrdersSchema.STATUS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.lower;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.selectDistinct;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.IndexReport;
import dev.pgbelay.core.schema.SafeDdl;
import dev.pgbelay.keyset.KeysetVerdict.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** On an empty table and on a full one: the verdict is the same, and its DDL remedies it. */
class KeysetCheckPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final Field<String> EMAIL =
      field(name("orders", "email"), SQLDataType.CLOB.notNull());

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    dsl.execute("drop table if exists orders, lines");
    dsl.execute(
        """
        create table orders (
          id bigint primary key, customer_id bigint not null, status int not null,
          created_at timestamptz not null, shipped_at timestamptz, email text not null)
        """);
    dsl.execute("create table lines (id bigint primary key, order_id bigint not null)");
  }

  private static KeysetQueryBuilder<Record> query(SortField<?>... order) {
    return KeysetQuery.from(select(ID).from(ORDERS))
        .named("orders")
        .orderBy(order)
        .unique(ID)
        .cursors(CODEC);
  }

  private KeysetVerdict check(KeysetQueryBuilder<?> query) {
    return KeysetCheck.run(query.build(), transactions);
  }

  /** The DDL with a placeholder for what its index's name ends in. */
  private static String withoutSum(KeysetVerdict verdict) {
    assertThat(verdict.ddl()).hasSize(1);
    return verdict.ddl().get(0).replaceFirst("_keyset_[0-9a-f]{8}\"", "_keyset_<sum>\"");
  }

  /** No index: slow. After the verdict's own statement: served. */
  private void assertRemedied(KeysetQueryBuilder<?> builder, String ddl) {
    KeysetQuery<?> query = builder.build();
    KeysetVerdict before = KeysetCheck.run(query, transactions);
    assertThat(before.outcome()).as("%s", before).isEqualTo(Outcome.SLOW);
    assertThat(withoutSum(before)).isEqualTo(ddl);
    assertThat(catchThrowableOfType(InvalidKeysetQueryException.class, before::requireServed))
        .hasMessageContaining(before.ddl().get(0))
        .extracting(InvalidKeysetQueryException::reason)
        .isEqualTo(InvalidKeysetQueryException.Reason.NOT_SERVED);
    IndexReport report =
        SafeDdl.of(postgres.dataSource()).createIndexConcurrently(before.ddl().get(0));
    assertThat(report.outcome()).isEqualTo(IndexReport.Outcome.BUILT);
    KeysetVerdict after = KeysetCheck.run(query, transactions);
    assertThat(after.findings()).as("%s", after.plans()).isEmpty();
    assertThat(after.requireServed().outcome()).isEqualTo(Outcome.SERVED);
  }

  @Test
  void uniformOrder_isServedByThePrimaryKeyOrTheIndexThatIsNamed() {
    assertThat(check(query(ID.desc())).requireServed().outcome()).isEqualTo(Outcome.SERVED);
    assertRemedied(
        query(CREATED_AT.desc()),
        "create index concurrently \"orders_keyset_<sum>\" on \"public\".\"orders\" (\"created_at\" desc, \"id\" desc)");
  }

  @Test
  void mixedOrder_needsAnIndexOfThoseDirections() {
    dsl.execute("create index on orders (created_at, id)");
    KeysetVerdict verdict = check(query(CREATED_AT.desc(), ID.asc()));
    assertThat(verdict.outcome()).isEqualTo(Outcome.SLOW);
    assertThat(verdict)
        .asString()
        .contains("orders_created_at_id_idx")
        .contains("not their directions");
    assertRemedied(
        query(CREATED_AT.desc(), ID.asc()),
        "create index concurrently \"orders_keyset_<sum>\" on \"public\".\"orders\" (\"created_at\" desc, \"id\")");
  }

  @Test
  void nullsPosition_belongsToTheIndex() {
    dsl.execute("create index on orders (shipped_at, id)");
    assertThat(check(query(SHIPPED_AT.asc().nullsLast(), ID.asc())).outcome())
        .isEqualTo(Outcome.SERVED);
    assertRemedied(
        query(SHIPPED_AT.asc().nullsFirst(), ID.asc()),
        "create index concurrently \"orders_keyset_<sum>\" on \"public\".\"orders\" (\"shipped_at\" nulls first, \"id\")");
  }

  @Test
  void filterByOneValue_goesInFrontOfTheKeys() {
    KeysetQueryBuilder<?> filtered =
        KeysetQuery.from(
                select(ID).from(ORDERS).where(CUSTOMER.eq(param("customer", 7L)).and(STATUS.ne(3))))
            .named("orders")
            .orderBy(CREATED_AT.desc(), ID.asc())
            .unique(ID)
            .cursors(CODEC);
    assertRemedied(
        filtered,
        "create index concurrently \"orders_keyset_<sum>\" on \"public\".\"orders\" (\"customer_id\", \"created_at\" desc, \"id\")");
  }

  @Test
  void expressionKey_needsAnIndexOnTheExpression() {
    dsl.execute("create index on orders (email, id)");
    KeysetQueryBuilder<?> byEmail = query(lower(EMAIL).asc()).notNull(lower(EMAIL));
    KeysetVerdict verdict = check(byEmail);
    assertThat(verdict.outcome()).isEqualTo(Outcome.SLOW);
    assertThat(withoutSum(verdict))
        .isEqualTo(
            "create index concurrently \"orders_keyset_<sum>\" on \"public\".\"orders\" ((lower(\"email\")), \"id\")");
    dsl.execute(verdict.ddl().get(0));
    KeysetVerdict after = check(byEmail);
    assertThat(after.outcome()).as("%s", after).isEqualTo(Outcome.UNPROVEN);
    after.requireServed();
    assertThat(after).asString().contains("never NULL");
  }

  @Test
  void collation_mustBeThatOfTheIndex() {
    dsl.execute("create index on orders (email, id)");
    KeysetQueryBuilder<?> byEmail =
        query(EMAIL.collate("ucs_basic").asc()).notNull(EMAIL.collate("ucs_basic"));
    KeysetVerdict verdict = check(byEmail);
    assertThat(verdict.outcome()).as("%s", verdict).isEqualTo(Outcome.SLOW);
    dsl.execute(verdict.ddl().get(0));
    assertThat(check(byEmail).requireServed().outcome()).isEqualTo(Outcome.UNPROVEN);
  }

  @Test
  void operatorClassThatDoesNotSort_isNamed() {
    dsl.execute("create index by_pattern on orders (email text_pattern_ops, id)");
    KeysetVerdict verdict = check(query(EMAIL.asc()));
    assertThat(verdict.outcome()).isEqualTo(Outcome.SLOW);
    assertThat(verdict).asString().contains("by_pattern").contains("operator class");
  }

  @Test
  void invalidIndex_isNamed() {
    dsl.execute("create index broken on orders (created_at, id)");
    dsl.execute("update pg_index set indisvalid = false where indexrelid = 'broken'::regclass");
    assertThat(check(query(CREATED_AT.asc())))
        .asString()
        .contains("SLOW")
        .contains("broken")
        .contains("is invalid");
  }

  @Test
  void partitionedTable_isProvenByItsOwnKey_andItsIndexIsBuiltPartitionByPartition() {
    dsl.execute(
        """
        drop table orders;
        create table orders (
          id bigint primary key, customer_id bigint not null, status int not null,
          created_at timestamptz not null, shipped_at timestamptz, email text not null)
        partition by range (id);
        create table orders_1 partition of orders for values from (0) to (1000);
        create table orders_2 partition of orders for values from (1000) to (2000);
        """);
    KeysetVerdict byId = check(query(ID.desc()));
    assertThat(byId.findings()).as("%s", byId).isEmpty();
    assertThat(check(query(ID.desc()).notNull(ID)).requireServed().outcome())
        .isEqualTo(Outcome.SERVED);

    KeysetVerdict before = check(query(CREATED_AT.desc()));
    assertThat(before.outcome()).isEqualTo(Outcome.SLOW);
    assertThat(before.ddl())
        .hasSize(2)
        .allSatisfy(
            ddl ->
                assertThat(SafeDdl.of(postgres.dataSource()).createIndexConcurrently(ddl).outcome())
                    .isEqualTo(IndexReport.Outcome.BUILT));
    String root =
        before.findings().stream()
            .map(KeysetVerdict.Finding::message)
            .filter(message -> message.contains("is partitioned"))
            .findFirst()
            .orElseThrow()
            .replaceFirst(".*then run (create index .*), which takes.*", "$1");
    dsl.execute(root);
    assertThat(
            dsl.fetchValue(
                "select count(*) from pg_inherits where inhrelid::regclass::text like '%keyset%'"))
        .as("the partitions' indexes were taken over, not built again")
        .isEqualTo(2L);
    KeysetVerdict after = check(query(CREATED_AT.desc()));
    assertThat(after.findings()).as("%s", after.plans()).isEmpty();
  }

  @Test
  void orderThatIsNotUnique_isUnsafe() {
    KeysetVerdict verdict =
        check(
            KeysetQuery.from(select(ID).from(ORDERS))
                .orderBy(CREATED_AT.asc())
                .unique(STATUS)
                .cursors(CODEC));
    assertThat(verdict.outcome()).isEqualTo(Outcome.UNSAFE);
    assertThat(verdict).asString().contains("no unique index of public.orders");
  }

  @Test
  void keyDeclaredNotNullThatIsNullable_isUnsafe() {
    KeysetVerdict verdict = check(query(SHIPPED_AT.asc()).notNull(SHIPPED_AT));
    assertThat(verdict.outcome()).isEqualTo(Outcome.UNSAFE);
    assertThat(verdict).asString().contains("orders.shipped_at").contains("would be lost");
    assertThat(catchThrowableOfType(InvalidKeysetQueryException.class, verdict::requireServed))
        .isNotNull();
  }

  @Test
  void keyThatAnOuterJoinMayLeaveNull_isUnsafeUnlessItsNullsHaveAPlace() {
    Table<?> lines = table(name("lines"));
    Field<Long> lineId = field(name("lines", "id"), SQLDataType.BIGINT.notNull());
    Field<Long> orderId = field(name("lines", "order_id"), SQLDataType.BIGINT.notNull());
    var left = select(ID, lineId).from(lines).leftJoin(ORDERS).on(ID.eq(orderId));
    var right = select(ID, lineId).from(ORDERS).rightJoin(lines).on(ID.eq(orderId));
    var full = select(ID, lineId).from(ORDERS).fullJoin(lines).on(ID.eq(orderId));
    for (Select<?> joined : List.of(left, right, full)) {
      KeysetVerdict verdict =
          check(
              KeysetQuery.from(joined).orderBy(CREATED_AT.asc()).unique(lineId, ID).cursors(CODEC));
      assertThat(verdict.outcome()).as("%s", verdict).isEqualTo(Outcome.UNSAFE);
      assertThat(verdict).asString().contains("orders.created_at").contains("outer join finds no");
    }
    KeysetVerdict placed =
        check(
            KeysetQuery.from(left)
                .orderBy(CREATED_AT.asc().nullsLast(), lineId.asc())
                .unique(lineId)
                .cursors(CODEC));
    assertThat(placed.outcome()).as("%s", placed).isNotEqualTo(Outcome.UNSAFE);
    KeysetVerdict inner =
        check(
            KeysetQuery.from(left.where(CUSTOMER.eq(5L)))
                .orderBy(CREATED_AT.asc(), lineId.asc())
                .unique(lineId)
                .cursors(CODEC));
    assertThat(inner.outcome())
        .as("the filter leaves no NULL: %s", inner)
        .isNotEqualTo(Outcome.UNSAFE);
  }

  @Test
  void uniqueIndexOfAnotherCollationThanTheOrders_provesNothing() {
    dsl.execute(
        "create collation if not exists ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    dsl.execute("create unique index on orders (email)");
    Field<String> folded = EMAIL.collate("ci");
    KeysetVerdict verdict =
        check(
            KeysetQuery.from(select(ID).from(ORDERS))
                .orderBy(folded.asc())
                .unique(folded)
                .cursors(CODEC));
    assertThat(verdict.outcome()).as("%s", verdict).isEqualTo(Outcome.UNSAFE);
    assertThat(verdict).asString().contains("no unique index");
  }

  @Test
  void joinThatMayMultiplyRows_isUnprovenUntilBothKeysAreInTheOrder() {
    Table<?> lines = table(name("lines"));
    Field<Long> lineId = field(name("lines", "id"), SQLDataType.BIGINT.notNull());
    Field<Long> orderId = field(name("lines", "order_id"), SQLDataType.BIGINT.notNull());
    KeysetQueryBuilder<?> declared =
        KeysetQuery.from(select(ID, lineId).from(lines).join(ORDERS).on(ID.eq(orderId)))
            .orderBy(lineId.asc())
            .unique(lineId)
            .cursors(CODEC);
    KeysetVerdict verdict = check(declared);
    assertThat(verdict.outcome()).as("%s", verdict).isEqualTo(Outcome.UNPROVEN);
    assertThat(verdict).asString().contains("public.orders").contains("declaration");
    verdict.requireServed();
  }

  @Test
  void orderOverTwoTables_cannotBeServedByOneIndex() {
    Table<?> lines = table(name("lines"));
    Field<Long> lineId = field(name("lines", "id"), SQLDataType.BIGINT.notNull());
    Field<Long> orderId = field(name("lines", "order_id"), SQLDataType.BIGINT.notNull());
    KeysetVerdict verdict =
        check(
            KeysetQuery.from(select(ID, lineId).from(lines).join(ORDERS).on(ID.eq(orderId)))
                .orderBy(CREATED_AT.asc(), lineId.asc())
                .unique(lineId)
                .cursors(CODEC));
    assertThat(verdict.outcome()).isEqualTo(Outcome.SLOW);
    assertThat(verdict).asString().contains("spans several tables");
    assertThat(verdict.ddl()).isEmpty();
  }

  @Test
  void derivedTable_saysThatItIsOne() {
    KeysetVerdict verdict =
        check(
            KeysetQuery.from(selectDistinct(STATUS).from(ORDERS))
                .orderBy(STATUS.asc())
                .unique(STATUS)
                .cursors(CODEC));
    assertThat(verdict.outcome()).isIn(Outcome.UNPROVEN, Outcome.SLOW);
  }

  @Test
  void verdictOnAFullTable_isTheSame() {
    dsl.execute(
        """
        insert into orders
        select i, i % 10, i % 7, now() + i * interval '1 s',
               case when i % 3 > 0 then now() + i * interval '1 min' end, 'a' || i
        from generate_series(1, 20000) i
        """);
    dsl.execute("analyze orders");
    assertRemedied(
        query(STATUS.asc(), SHIPPED_AT.desc().nullsLast(), ID.asc()),
        "create index concurrently \"orders_keyset_<sum>\" on \"public\".\"orders\" (\"status\", \"shipped_at\" desc nulls last, \"id\")");
  }

  @Test
  void check_leavesNothingBehind() {
    check(query(CREATED_AT.desc()));
    assertThat(dsl.fetchValue("select current_setting('enable_seqscan')")).isEqualTo("on");
    assertThat(
            dsl.fetchValue(
                "select count(*) from pg_prepared_statements where name like 'pgbelay%'"))
        .isEqualTo(0L);
  }
}
