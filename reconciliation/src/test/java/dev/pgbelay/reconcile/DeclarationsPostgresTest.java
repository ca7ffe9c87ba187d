package dev.pgbelay.reconcile;

import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.LINES;
import static dev.pgbelay.reconcile.ShopFixture.LINE_ORDER;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_ID;
import static dev.pgbelay.reconcile.ShopFixture.TOTAL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.DeclarationException.Problem;
import dev.pgbelay.reconcile.DeclarationException.Reason;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the catalog says of a declaration before anything is checked by it. */
class DeclarationsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private List<Problem> problems(Declaration... declarations) {
    Declarations all = Declarations.of("1", declarations);
    DeclarationException refused =
        catchThrowableOfType(
            DeclarationException.class, () -> all.requireMatching(shop.transactions));
    return refused == null ? List.of() : refused.problems();
  }

  private List<Reason> reasons(Declaration... declarations) {
    return problems(declarations).stream().map(Problem::reason).toList();
  }

  private static Table<Record> named(String... parts) {
    return table(name(parts));
  }

  private static Reference reference(
      String name, String child, String column, String parent, String key, OnDelete onDelete) {
    return Reference.builder(name)
        .child(named(child), field(name(column)))
        .parent(named(parent), field(name(key)))
        .onDelete(onDelete)
        .build();
  }

  @Test
  void fittingDeclarations_areAccepted() {
    assertThatCode(() -> ShopFixture.ALL.requireMatching(shop.transactions))
        .doesNotThrowAnyException();
  }

  @Test
  void missingTablesAndColumns_areNamedAllAtOnce() {
    List<Problem> found =
        problems(
            reference("a", "no_such_table", "x", "customers", "id", OnDelete.restrict()),
            reference("b", "orders", "no_such_column", "customers", "id", OnDelete.restrict()),
            reference("c", "orders", "customer_id", "customers", "nor_this", OnDelete.restrict()));
    assertThat(found)
        .extracting(Problem::declaration, Problem::reason)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("a", Reason.TABLE_NOT_FOUND),
            org.assertj.core.groups.Tuple.tuple("b", Reason.COLUMN_NOT_FOUND),
            org.assertj.core.groups.Tuple.tuple("c", Reason.COLUMN_NOT_FOUND));
    assertThat(found.get(1).text()).contains("no_such_column", "customer_id");
  }

  @Test
  void columnsOfOtherTypes_areRefused() {
    shop.dsl.execute("create table other (id int primary key, code text collate \"C\" unique)");
    shop.dsl.execute("create table coded (id int primary key, code text)");
    shop.dsl.execute("create index on coded (code)");
    assertThat(
            reasons(
                reference("type", "orders", "customer_id", "other", "id", OnDelete.restrict()),
                reference("collation", "coded", "code", "other", "code", OnDelete.restrict())))
        .containsExactly(Reason.TYPES_DIFFER, Reason.TYPES_DIFFER);
  }

  @Test
  void parentWithoutUniqueIndex_isRefusedWithTheDdl_andTheDdlHelps() {
    Reference byName =
        Reference.builder("by-name")
            .child(ORDERS, field(name("status")))
            .parent(CUSTOMERS, field(name("name")))
            .build();
    List<Problem> found = problems(byName);
    assertThat(found)
        .extracting(Problem::reason)
        .containsExactly(Reason.PARENT_NOT_UNIQUE, Reason.CHILD_NOT_INDEXED);
    for (Problem each : found) {
      shop.dsl.execute(each.text().substring(each.text().indexOf("Run: ") + "Run: ".length()));
    }
    try {
      assertThat(problems(byName)).isEmpty();
    } finally {
      shop.dsl.execute("drop index customers_name_idx, orders_status_idx");
    }
  }

  @Test
  void uniqueOnlyUnderACondition_isNotUnique() {
    shop.dsl.execute("create table soft (id int, code bigint, gone boolean)");
    shop.dsl.execute("create unique index on soft (code) where not gone");
    assertThat(reasons(reference("x", "orders", "customer_id", "soft", "code", OnDelete.cascade())))
        .containsExactly(Reason.PARENT_NOT_UNIQUE);
  }

  @Test
  void columnsThatAnIndexOnlyIncludes_makeNothingUnique_andAreNotSearched() {
    shop.dsl.execute(
        "create table thing (code bigint, other bigint); create table part (id int primary key, code bigint);"
            + " create unique index thing_code on thing (other) include (code);"
            + " create index part_code on part (id) include (code)");
    Reference part = reference("x", "part", "code", "thing", "code", OnDelete.cascade());
    assertThat(reasons(part)).containsExactly(Reason.PARENT_NOT_UNIQUE, Reason.CHILD_NOT_INDEXED);
    shop.dsl.execute(
        "create unique index on thing (code) include (other);"
            + " create index on part (code) include (id)");
    assertThat(reasons(part)).isEmpty();
  }

  /** As one that was built concurrently, and was not finished. */
  @Test
  void indexThatIsNotValid_servesNothing() {
    shop.dsl.execute(
        "create table base (code bigint); create table leaf (id int primary key, code bigint);"
            + " create unique index base_code on base (code); create index leaf_code on leaf (code)");
    Reference leaf = reference("x", "leaf", "code", "base", "code", OnDelete.cascade());
    assertThat(reasons(leaf)).isEmpty();
    shop.dsl.execute(
        "update pg_index set indisvalid = false"
            + " where indexrelid in (cast('base_code' as regclass), cast('leaf_code' as regclass))");
    assertThat(reasons(leaf)).containsExactly(Reason.PARENT_NOT_UNIQUE, Reason.CHILD_NOT_INDEXED);
  }

  @Test
  void childIndexThatLeavesOutNulls_serves_oneUnderAnotherConditionDoesNot() {
    shop.dsl.execute("create table kid (id int primary key, customer_id bigint, hidden boolean)");
    shop.dsl.execute("create index kid_shown on kid (customer_id) where not hidden");
    Reference kid = reference("x", "kid", "customer_id", "customers", "id", OnDelete.setNull());
    assertThat(reasons(kid)).containsExactly(Reason.CHILD_NOT_INDEXED);
    shop.dsl.execute("create index on kid (customer_id) where customer_id is not null");
    assertThat(reasons(kid)).isEmpty();
  }

  @Test
  void compositeKeys_needAnIndexOnAllOfThem_inWhateverOrder() {
    shop.dsl.execute("create schema if not exists sales");
    shop.dsl.execute("create table sales.account (tenant int, id int, primary key (tenant, id))");
    shop.dsl.execute("create table invoice (id int primary key, tenant int, account int)");
    Reference composite =
        Reference.builder("invoice-account")
            .child(named("invoice"), field(name("tenant")), field(name("account")))
            .parent(named("sales", "account"), field(name("tenant")), field(name("id")))
            .build();
    shop.dsl.execute("create index on invoice (account)");
    assertThat(reasons(composite)).containsExactly(Reason.CHILD_NOT_INDEXED);
    shop.dsl.execute("create index on invoice (account, tenant, id)");
    assertThat(reasons(composite)).isEmpty();
  }

  @Test
  void tableWithoutPrimaryKey_isRefused() {
    shop.dsl.execute("create table loose (customer_id bigint)");
    shop.dsl.execute("create index on loose (customer_id)");
    assertThat(
            reasons(reference("x", "loose", "customer_id", "customers", "id", OnDelete.cascade())))
        .containsExactly(Reason.NO_PRIMARY_KEY);
  }

  @Test
  void settingNullWhatIsNotNull_isRefused_alsoByADefaultThatIsNone() {
    shop.dsl.execute("create table owned (id int primary key, customer_id bigint not null)");
    shop.dsl.execute("create index on owned (customer_id)");
    assertThat(
            reasons(
                reference("a", "owned", "customer_id", "customers", "id", OnDelete.setNull()),
                reference("b", "owned", "customer_id", "customers", "id", OnDelete.setDefault()),
                reference("c", "owned", "customer_id", "customers", "id", OnDelete.cascade())))
        .containsExactly(Reason.ACTION_IMPOSSIBLE, Reason.ACTION_IMPOSSIBLE);
    shop.dsl.execute("alter table owned alter customer_id set default 1");
    assertThat(
            reasons(
                reference("b", "owned", "customer_id", "customers", "id", OnDelete.setDefault())))
        .isEmpty();
    shop.dsl.execute("alter table owned add made bigint generated always as (customer_id) stored");
    shop.dsl.execute("create index on owned (made)");
    assertThat(
            reasons(
                reference("a", "owned", "made", "customers", "id", OnDelete.setNull()),
                reference("b", "owned", "made", "customers", "id", OnDelete.setDefault()),
                reference("c", "owned", "made", "customers", "id", OnDelete.cascade())))
        .containsExactly(Reason.ACTION_IMPOSSIBLE, Reason.ACTION_IMPOSSIBLE);
  }

  @Test
  void cascadesInACircle_areRefusedOnce_aTableThatCascadesToItselfIsNot() {
    shop.dsl.execute("create table na (id int primary key, nb int, self int)");
    shop.dsl.execute("create table nb (id int primary key, na int)");
    shop.dsl.execute("create index on na (nb)");
    shop.dsl.execute("create index on na (self)");
    shop.dsl.execute("create index on nb (na)");
    Reference self = reference("self", "na", "self", "na", "id", OnDelete.cascade());
    Reference there = reference("there", "nb", "na", "na", "id", OnDelete.cascade());
    assertThat(problems(self, there, reference("back", "na", "nb", "nb", "id", OnDelete.cascade())))
        .singleElement()
        .satisfies(
            problem -> {
              assertThat(problem.reason()).isEqualTo(Reason.CASCADE_CYCLE);
              assertThat(problem.text()).contains("there", "back");
            });
    assertThat(reasons(self, there, reference("back", "na", "nb", "nb", "id", OnDelete.setNull())))
        .isEmpty();
  }

  @Test
  void whatTheServerCannotPlan_isRefusedWithItsMessage() {
    Field<String> unknown = field(name("orders", "no_such"), String.class);
    List<Problem> found = problems(Invariant.everyRow("x", ORDERS, unknown.eq("y")));
    assertThat(found).extracting(Problem::reason).containsExactly(Reason.QUERY_REFUSED);
    assertThat(found.get(0).text()).contains("no_such");
    assertThat(
            reasons(
                DerivedValue.builder("x")
                    .column(ORDERS, TOTAL)
                    .mustEqual(org.jooq.impl.DSL.val("text").cast(String.class), LINES)
                    .build()))
        .containsExactly(Reason.QUERY_REFUSED);
  }

  @Test
  void twoOfOneName_areRefusedWithoutADatabase() {
    DeclarationException refused =
        catchThrowableOfType(
            DeclarationException.class,
            () -> Declarations.of("1", ShopFixture.ORDER_TOTAL, ShopFixture.ORDER_TOTAL));
    assertThat(refused.problems()).extracting(Problem::reason).containsExactly(Reason.NAME_TAKEN);
  }

  @Test
  void wronglyBuilt_isRefusedByName() {
    assertThatCode(() -> Reference.builder("x").child(ORDERS, ORDER_CUSTOMER).build())
        .hasMessageContaining("parent is missing");
    assertThatCode(
            () ->
                Reference.builder("x")
                    .child(ORDERS, ORDER_CUSTOMER, ORDER_ID)
                    .parent(CUSTOMERS, CUSTOMER_ID)
                    .build())
        .hasMessageContaining("2 columns of the child refer to 1");
    assertThatCode(() -> Reference.builder("No Name").child(LINES, LINE_ORDER).build())
        .hasMessageContaining("No Name");
  }
}
