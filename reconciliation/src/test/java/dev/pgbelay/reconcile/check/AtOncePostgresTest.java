package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.HELD_ELSEWHERE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.condition;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** All rows of a run in one transaction: the same answers as by ranges, and the same runs. */
class AtOncePostgresTest {
  private static final Reference ACCOUNT =
      Reference.builder("bill-account")
          .child(
              table(name("bill")),
              field(name("bill", "tenant"), SQLDataType.INTEGER),
              field(name("bill", "account"), SQLDataType.CLOB))
          .parent(
              table(name("account")),
              field(name("account", "tenant"), SQLDataType.INTEGER.nullable(false)),
              field(name("account", "code"), SQLDataType.CLOB.nullable(false)))
          .parentWhere(condition("account.closed_at is null"))
          .childWhere(condition("bill.id <= 90"))
          .build();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void fill() {
    shop.customers(1_000);
  }

  private Checker.Builder checker(Declaration... what) {
    return Checker.builder(shop.transactions, Declarations.of("1", what)).throttle(List.of());
  }

  private void run(String state) {
    shop.dsl.execute(
        "insert into pgbelay.reconcile_run (declaration, version, mode, rows_in_scope, rows_checked, scanned_at)"
            + " select 'order-customer', '1', 'FULL', 1000, "
            + state);
  }

  @Test
  void wholeTable_givesTheAnswersOfItsRanges() {
    shop.dsl.execute(
        "drop table if exists account, bill;"
            + " create table account (tenant int, code text, closed_at timestamptz, primary key (tenant, code));"
            + " create table bill (id bigint primary key, tenant int, account text);"
            + " create index on bill (tenant, account);"
            + " insert into account select g % 3, 'a' || g, case when g % 10 = 0 then now() end from generate_series(1, 100) g;"
            + " insert into bill select g, case when g % 7 <> 0 then g % 3 end,"
            + "   case when g % 11 <> 0 then 'a' || g + case when g % 13 = 0 then 100 else 0 end end from generate_series(1, 100) g");
    shop.dsl.execute("update orders set customer_id = null where id % 20 = 0");
    shop.dsl.execute("delete from customers where id % 100 in (1, 20)");
    shop.dsl.execute("update orders set total = 1 where id % 250 = 9");
    shop.dsl.execute("update orders set status = 'canceled' where id % 200 = 8");
    Declaration[] all = {
      ShopFixture.ORDER_CUSTOMER_REFERENCE,
      ShopFixture.ORDER_TOTAL,
      ShopFixture.ORDER_STATUS,
      ACCOUNT
    };
    CheckReport byRanges = checker(all).rangeRows(37, 37, 37).build().run();
    Object[][] found = findings();
    shop.dsl.execute("truncate pgbelay.reconcile_finding");
    CheckReport atOnce = checker(all).build().run();
    assertThat(findings()).isDeepEqualTo(found);
    assertThat(atOnce.declarations())
        .usingRecursiveComparison()
        .ignoringFields("elapsed", "lastFullScan", "rowsInScope")
        .isEqualTo(byRanges.declarations());
    assertThat(atOnce.declarations()).extracting(DeclarationReport::outcome).containsOnly(FINDINGS);
    assertThat(atOnce.declarations().get(0).rowsSkipped()).isEqualTo(50);
    assertThat(atOnce.declarations().get(0).open()).isEqualTo(10);
    assertThat(
            shop.count(
                "select count(*) from bill b where id <= 90 and tenant is not null and b.account is not null"
                    + " and not exists (select from account a where closed_at is null and a.tenant = b.tenant and a.code = b.account)"))
        .isEqualTo((int) atOnce.declarations().get(3).open());
    assertThat(shop.count("select count(*) from pgbelay.chunk_job")).isZero();
  }

  private Object[][] findings() {
    return shop.dsl
        .fetch(
            "select declaration, row_key, state, evidence from pgbelay.reconcile_finding order by 1, 2")
        .intoArrays();
  }

  @Test
  void whatTakesTooLongAtOnce_isLookedAtByRanges_andCountedOnce() {
    Invariant slow =
        Invariant.everyRow("slow", ShopFixture.ORDERS, condition("pg_sleep(0.002) is not null"));
    DeclarationReport report =
        checker(slow).rangeTimeout(Duration.ofSeconds(1)).build().run("slow");
    assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(1_000);
  }

  @Test
  void moreWrongThanIsKept_isCounted_andIncomplete() {
    shop.dsl.execute("delete from customers where id <= 30");
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE)
            .maxCandidates(10)
            .build()
            .run("order-customer");
    assertThat(report.outcome()).isEqualTo(DeclarationReport.Outcome.INCOMPLETE);
    assertThat(report.candidates()).isEqualTo(30);
    assertThat(report.notKept()).isEqualTo(20);
    assertThat(report.open()).isEqualTo(10);
  }

  @Test
  void runThatAnotherProcessLooksAt_isLeftToIt() throws Exception {
    run("0, null");
    try (Connection other = postgres.dataSource().getConnection();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("select from pgbelay.reconcile_run for no key update");
      DeclarationReport report =
          checker(ShopFixture.ORDER_CUSTOMER_REFERENCE).build().run("order-customer");
      assertThat(report.outcome()).as("%s", report).isEqualTo(HELD_ELSEWHERE);
      other.rollback();
    }
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE).build().run("order-customer");
    assertThat(report.outcome()).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(1_000);
  }

  /** Its process died before it asked again. */
  @Test
  void runThatWasLookedAt_isNotLookedAtAgain() {
    run("700, now()");
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE).build().run("order-customer");
    assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(700);
  }

  /** Its process died after deletes whose children were gone. */
  @Test
  void runThatHasPassedDeletesAlone_isLookedAt() {
    run("0, null");
    shop.dsl.execute("update pgbelay.reconcile_run set deletes_after = 5");
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE).build().run("order-customer");
    assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(1_000);
  }

  @Test
  void runWhoseRangesHaveBegun_isGoneOnWithByRanges() {
    shop.dsl.execute("analyze orders");
    DeclarationReport begun =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE)
            .rangeRows(100, 100, 100)
            .maxRows(200)
            .build()
            .run("order-customer");
    assertThat(begun.rowsChecked()).isEqualTo(200);
    DeclarationReport report =
        checker(ShopFixture.ORDER_CUSTOMER_REFERENCE).build().run("order-customer");
    assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(1_000);
  }

  /** A walker that was overtaken adds nothing to what is whole. */
  @Test
  void rangeOfARunThatIsWhole_isRefused() {
    run("1000, now()");
    RunSql runs = new RunSql("pgbelay");
    boolean counted =
        shop.transactions.run(
            tx ->
                runs.countRange(
                    tx.dsl(),
                    new ChangesSql("pgbelay")
                        .facts(
                            tx.dsl(), ShopFixture.ORDER_CUSTOMER_REFERENCE, "1", Optional.empty())
                        .open()
                        .orElseThrow()
                        .id(),
                    new FindingSql.Range(5, 0, 0, null),
                    0));
    assertThat(counted).isFalse();
  }

  /** A row is wrong for this declaration where the transaction that looks may use all cores. */
  @Test
  void whoGivesWay_goesByRanges_withOneProcess_andWaitsForNoDisk() {
    Invariant alone =
        Invariant.everyRow(
            "alone",
            ShopFixture.ORDERS,
            condition(
                "current_setting('max_parallel_workers_per_gather') = '0'"
                    + " and current_setting('synchronous_commit') = 'off'"));
    assertThat(checker(alone).build().run("alone").candidates()).isEqualTo(1_000);
    assertThat(checker(alone).maxRowsPerSecond(1_000_000).build().run("alone").candidates())
        .isZero();
    assertThat(
            Checker.builder(shop.transactions, Declarations.of("1", alone))
                .build()
                .run("alone")
                .candidates())
        .isZero();
  }

  /** A row is wrong for this declaration where its statement may take longer than five seconds. */
  @Test
  void snapshotOfAllRows_isKeptForFiveSecondsAtMost_whateverARangeMayTake() {
    Invariant brief =
        Invariant.everyRow(
            "brief",
            ShopFixture.ORDERS,
            condition(
                "cast(current_setting('statement_timeout') as interval)"
                    + " between interval '1 millisecond' and interval '5 seconds'"));
    DeclarationReport atOnce =
        checker(brief).rangeTimeout(Duration.ofMinutes(2)).build().run("brief");
    assertThat(atOnce.candidates()).as("%s", atOnce).isZero();
    DeclarationReport byRanges =
        checker(brief)
            .rangeTimeout(Duration.ofMinutes(2))
            .rangeRows(100, 100, 100)
            .build()
            .run("brief");
    assertThat(byRanges.candidates()).as("%s", byRanges).isEqualTo(1_000);
  }
}
