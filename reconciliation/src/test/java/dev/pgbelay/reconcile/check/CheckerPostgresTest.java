package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a checker finds when nobody else is at work. */
class CheckerPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private Checker.Builder checker(Declaration... declarations) {
    return Checker.builder(shop.transactions, Declarations.of("1", declarations));
  }

  private DeclarationReport check(Declaration declaration) {
    return checker(declaration).build().run().declarations().get(0);
  }

  private List<String> keys(Declaration declaration, Finding.State state) {
    return findings(declaration, state).stream().map(each -> each.rowKey().data()).toList();
  }

  private List<Finding> findings(Declaration declaration, Finding.State state) {
    return Findings.create().list(shop.dsl, declaration, state, 0, 1_000);
  }

  @Test
  void sound_isClean_withEveryRowCounted() {
    shop.customers(1_000);
    CheckReport report = checker(ShopFixture.ALL.all().toArray(Declaration[]::new)).build().run();
    assertThat(report.isClean()).isTrue();
    assertThat(report.declarations())
        .allSatisfy(
            each -> {
              assertThat(each.outcome()).isEqualTo(CLEAN);
              assertThat(each.rowsChecked()).isEqualTo(1_000);
            });
    assertThat(shop.count("select count(*) from pgbelay.reconcile_finding")).isZero();
    assertThat(shop.count("select count(*) from pgbelay.chunk_job")).isZero();
  }

  @Test
  void everyKindOfCorruption_isFoundWithItsKeyAndEvidence() {
    shop.customers(100);
    shop.dsl.execute("delete from customers where id in (7, 8)");
    shop.dsl.execute("update orders set total = total + 0.01 where id = 9");
    shop.dsl.execute("update orders set total = 0 where id = 10");
    String[] spellings = {
      "canceled", "Cancelled", "CANCELLED", "cancelled ", "cancel", "cncelled", "void", "x", ""
    };
    for (int k = 0; k < spellings.length; k++) {
      shop.dsl.execute("update orders set status = ? where id = ?", spellings[k], 20 + k);
    }
    CheckReport report = Checker.builder(shop.transactions, ShopFixture.ALL).build().run();
    assertThat(report.isClean()).isFalse();
    assertThat(report.declarations())
        .extracting(DeclarationReport::outcome, DeclarationReport::confirmed)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple(FINDINGS, 2L),
            org.assertj.core.groups.Tuple.tuple(FINDINGS, 2L),
            org.assertj.core.groups.Tuple.tuple(FINDINGS, 9L));
    assertThat(findings(ShopFixture.ORDER_CUSTOMER_REFERENCE, Finding.State.CONFIRMED))
        .extracting(each -> each.rowKey().data(), each -> each.evidence().data())
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("[\"7\"]", "{\"customer_id\": \"7\"}"),
            org.assertj.core.groups.Tuple.tuple("[\"8\"]", "{\"customer_id\": \"8\"}"));
    assertThat(findings(ShopFixture.ORDER_TOTAL, Finding.State.CONFIRMED))
        .extracting(each -> each.evidence().data())
        .containsExactlyInAnyOrder(
            "{\"is\": \"20.01\", \"expected\": \"20.00\"}",
            "{\"is\": \"0\", \"expected\": \"20.00\"}");
    assertThat(keys(ShopFixture.ORDER_STATUS, Finding.State.CONFIRMED)).hasSize(9);
  }

  @Test
  void findingIsKeptOnce_closedWhenGone_andReopened() {
    shop.customers(10);
    shop.dsl.execute("delete from customers where id = 3");
    Reference reference = ShopFixture.ORDER_CUSTOMER_REFERENCE;
    assertThat(check(reference).confirmed()).isEqualTo(1);
    Finding first = findings(reference, Finding.State.CONFIRMED).get(0);
    DeclarationReport again = check(reference);
    assertThat(again.outcome()).isEqualTo(FINDINGS);
    assertThat(again.confirmed()).isZero();
    assertThat(again.open()).isEqualTo(1);
    Finding second = findings(reference, Finding.State.CONFIRMED).get(0);
    assertThat(second.id()).isEqualTo(first.id());
    assertThat(second.firstSeen()).isEqualTo(first.firstSeen());
    assertThat(second.lastSeen()).isAfter(first.lastSeen());

    shop.dsl.execute("insert into customers values (3, 'back')");
    DeclarationReport mended = check(reference);
    assertThat(mended.outcome()).isEqualTo(CLEAN);
    assertThat(mended.resolved()).isEqualTo(1);
    assertThat(keys(reference, Finding.State.RESOLVED)).containsExactly("[\"3\"]");

    shop.dsl.execute("delete from customers where id = 3");
    assertThat(check(reference).outcome()).isEqualTo(FINDINGS);
    assertThat(findings(reference, Finding.State.CONFIRMED).get(0).reopened()).isEqualTo(1);
  }

  @Test
  void nullRefersToNothing_inCompositeKeysToo() {
    shop.dsl.execute("create schema if not exists sales");
    shop.dsl.execute(
        "create table sales.account (tenant int, code text, primary key (tenant, code))");
    shop.dsl.execute(
        "create table invoice (tenant int, id text, account text, primary key (id, tenant))");
    shop.dsl.execute("create index on invoice (account, tenant)");
    shop.dsl.execute("insert into sales.account values (1, 'a'), (2, 'b')");
    shop.dsl.execute(
        "insert into invoice values (1, 'x', 'a'), (2, 'x', 'a'), (1, 'y\"'', z', null), (2, 'y\"'', z', 'c')");
    Reference reference =
        Reference.builder("invoice-account")
            .child(table(name("invoice")), field(name("tenant")), field(name("account")))
            .parent(table(name("sales", "account")), field(name("tenant")), field(name("code")))
            .build();
    DeclarationReport report = check(reference);
    assertThat(report.rowsChecked()).isEqualTo(3);
    assertThat(report.rowsSkipped()).isEqualTo(1);
    assertThat(keys(reference, Finding.State.CONFIRMED))
        .containsExactlyInAnyOrder("[\"x\", \"2\"]", "[\"y\\\"', z\", \"2\"]");
  }

  @Test
  void tableThatRefersToItself_andSoftDeletedParents() {
    shop.dsl.execute("create table node (id int primary key, parent int, gone boolean not null)");
    shop.dsl.execute("create index on node (parent)");
    shop.dsl.execute(
        "insert into node values (1, null, false), (2, 1, true), (3, 2, false), (4, 4, false), (5, 9, false), (6, 2, true)");
    Reference living =
        Reference.builder("node-parent")
            .child(table(name("node")), field(name("parent")))
            .childWhere(field(name("node", "gone"), Boolean.class).isFalse())
            .parent(table(name("node")), field(name("id")))
            .parentWhere(field(name("node", "gone"), Boolean.class).isFalse())
            .build();
    assertThat(check(living).rowsChecked()).isEqualTo(3);
    assertThat(keys(living, Finding.State.CONFIRMED)).containsExactly("[\"3\"]", "[\"5\"]");
  }

  @Test
  void tolerance_allowsThatMuch_andNullIsNotANumber() {
    shop.dsl.execute("create table m (id int primary key, a double precision, b double precision)");
    shop.dsl.execute(
        "insert into m values (1, 1, 1.5), (2, 1, 1.6), (3, null, 1), (4, null, null), (5, 2, 1.5),"
            + " (6, 'infinity', 'infinity'), (7, 'nan', 'nan'), (8, 'infinity', 1)");
    DerivedValue near =
        DerivedValue.builder("near")
            .column(table(name("m")), field(name("a")))
            .mustEqual(field(name("m", "b")), table(name("m")))
            .tolerance(new BigDecimal("0.5"))
            .build();
    check(near);
    assertThat(keys(near, Finding.State.CONFIRMED))
        .containsExactly("[\"2\"]", "[\"3\"]", "[\"8\"]");
  }

  @Test
  void queryThatMustReturnNothing_isConfirmedByItsKey() {
    shop.customers(5);
    shop.dsl.execute("update customers set name = 'c1' where id = 2");
    Invariant twice =
        Invariant.noRows(
            "same-name",
            DSL.select(field(name("name"), String.class), DSL.count())
                .from(ShopFixture.CUSTOMERS)
                .groupBy(field(name("name")))
                .having(DSL.count().gt(1)),
            List.of(field(name("name"))),
            List.of(ShopFixture.CUSTOMERS));
    assertThat(check(twice).outcome()).isEqualTo(FINDINGS);
    assertThat(keys(twice, Finding.State.CONFIRMED)).containsExactly("[\"c1\"]");
    shop.dsl.execute("update customers set name = 'c2' where id = 2");
    assertThat(check(twice).outcome()).isEqualTo(CLEAN);
  }

  @Test
  void scanOutOfTime_isIncomplete_andTheNextRunGoesOnBehindIt() {
    shop.customers(500);
    shop.dsl.execute("delete from customers where id in (1, 500)");
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE)
            .rangeRows(50, 50, 50)
            .maxRowsPerSecond(500)
            .scanWithin(Duration.ofMillis(300))
            .build()
            .run("order-customer");
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.reason()).hasValueSatisfying(text -> assertThat(text).contains("PT0.3S"));
    assertThat(report.rowsChecked()).isBetween(50L, 450L);
    assertThat(keys(ShopFixture.ORDER_CUSTOMER_REFERENCE, Finding.State.CONFIRMED)).isEmpty();
    DeclarationReport whole = check(ShopFixture.ORDER_CUSTOMER_REFERENCE);
    assertThat(whole.outcome()).isEqualTo(FINDINGS);
    assertThat(whole.rowsChecked()).isEqualTo(500);
    assertThat(whole.confirmed()).isEqualTo(2);
  }

  @Test
  void moreThanIsKept_isIncomplete_andCounted() {
    shop.customers(100);
    shop.dsl.execute("delete from customers where id > 50");
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE)
            .rangeRows(30, 30, 30)
            .maxCandidates(20)
            .build()
            .run("order-customer");
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.candidates()).isEqualTo(50);
    assertThat(report.notKept()).isEqualTo(30);
    assertThat(report.confirmed()).isEqualTo(20);
  }

  @Test
  void otherVersionOfTheDeclarations_beginsAnew() {
    shop.customers(100);
    checker(ShopFixture.ORDER_CUSTOMER_REFERENCE)
        .rangeRows(10, 10, 10)
        .maxRowsPerSecond(100)
        .scanWithin(Duration.ofMillis(200))
        .build()
        .run();
    DeclarationReport report =
        Checker.builder(
                shop.transactions, Declarations.of("2", ShopFixture.ORDER_CUSTOMER_REFERENCE))
            .build()
            .run("order-customer");
    assertThat(report.outcome()).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(100);
    assertThat(
            shop.count(
                "select count(*) from pgbelay.reconcile_run where outcome = 'INCOMPLETE' and version = '1'"))
        .isEqualTo(1);
  }

  @Test
  void declarationThatFails_doesNotKeepTheOthersFromBeingChecked() {
    shop.customers(10);
    shop.dsl.execute("create table bad (id int primary key, n int)");
    shop.dsl.execute("insert into bad values (1, 0)");
    Invariant division =
        Invariant.everyRow(
            "division",
            table(name("bad")),
            DSL.inline(1).div(field(name("bad", "n"), Integer.class)).eq(1));
    CheckReport report = checker(division, ShopFixture.ORDER_STATUS).build().run();
    assertThat(report.declarations())
        .extracting(DeclarationReport::outcome)
        .containsExactly(INCOMPLETE, CLEAN);
    assertThat(report.declarations().get(0).reason())
        .hasValueSatisfying(text -> assertThat(text).contains("division by zero"));
    assertThat(report.isClean()).isFalse();
  }

  @Test
  void query_isReadOnceToFindAndOnceToConfirm_howeverMuchItReturns() {
    shop.customers(1_300);
    shop.dsl.execute("create sequence reads");
    Invariant everything =
        Invariant.noRows(
            "everything",
            DSL.select(ShopFixture.ORDER_ID)
                .from("(select nextval('reads') offset 0) as read")
                .crossJoin(ShopFixture.ORDERS),
            List.of(ShopFixture.ORDER_ID),
            List.of(ShopFixture.ORDERS));
    DeclarationReport report = check(everything);
    assertThat(report.confirmed()).as("%s", report).isEqualTo(1_300);
    assertThat(shop.count("select last_value from reads")).isEqualTo(2);
  }

  @Test
  void unknownName_isRefused() {
    assertThatThrownBy(() -> checker(ShopFixture.ORDER_STATUS).build().run("nope"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("nope")
        .hasMessageContaining("order-status");
  }
}
