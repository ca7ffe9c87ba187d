package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.ChangedShop.assertFullBecause;
import static dev.pgbelay.reconcile.check.ChangedShop.assertRead;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.FULL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.INCREMENTAL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** Runs that look only at what has changed: what they must see, and what they cannot. */
class IncrementalPostgresTest {
  private static final Reference REFERENCE = ChangedShop.REFERENCE;
  private static final DerivedValue TOTAL = ChangedShop.TOTAL;
  private static final Invariant STATUS = ChangedShop.STATUS;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChangedShop.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private Connection other;

  @BeforeEach
  void open() throws SQLException {
    shop.customers(1_000);
    capture(REFERENCE).install();
    shop.dsl.execute("truncate pgbelay.reconcile_deleted");
    other = postgres.dataSource().getConnection();
    other.setAutoCommit(false);
  }

  @AfterEach
  void close() throws Exception {
    other.rollback();
    other.setAutoCommit(true);
    other.close();
  }

  private void other(String sql) throws SQLException {
    try (Statement statement = other.createStatement()) {
      statement.execute(sql);
    }
  }

  private DeleteCapture capture(Reference reference) {
    return DeleteCapture.of(shop.transactions, Declarations.of("1", reference));
  }

  private Checker.Builder checker(Declaration declaration) {
    return Checker.builder(shop.transactions, Declarations.of("1", declaration))
        .incremental(Duration.ofDays(1))
        .overlap(Duration.ZERO)
        .confirmWithin(Duration.ofSeconds(1))
        .throttle(java.util.List.of());
  }

  private DeclarationReport check(Declaration declaration) {
    return checker(declaration).build().run(declaration.name());
  }

  @Test
  void changedRowsAloneAreRead_ofEveryKindOfDeclaration() {
    for (Declaration each : new Declaration[] {REFERENCE, TOTAL, STATUS}) {
      DeclarationReport first = check(each);
      assertRead(first, FULL, 1_000, 0);
      assertFullBecause(first, "no run has looked at every row yet");
      DeclarationReport idle = check(each);
      assertRead(idle, INCREMENTAL, 0, 0);
      assertThat(idle.whyFull()).isEmpty();
      assertThat(idle.lastFullScan()).isPresent();
    }
    shop.dsl.execute("update orders set customer_id = 9999 where id = 3");
    shop.dsl.execute("update orders set total = 1 where id = 4");
    shop.dsl.execute("update orders set status = 'canceled' where id = 5");
    for (Declaration each : new Declaration[] {REFERENCE, TOTAL, STATUS}) {
      assertRead(check(each), INCREMENTAL, 3, 1);
      assertRead(check(each), INCREMENTAL, 0, 1);
    }
  }

  @Test
  void rowOfATransactionThatWasOpenAtTheLastRun_isSeenByTheNext() throws Exception {
    other("select now()");
    assertRead(check(REFERENCE), FULL, 1_000, 0);
    assertRead(check(REFERENCE), INCREMENTAL, 0, 0);
    other("insert into orders values (5000, 5000, 'open', 0)");
    assertThat(check(REFERENCE).outcome()).isEqualTo(CLEAN);
    other.commit();
    assertRead(check(REFERENCE), INCREMENTAL, 1, 1);
  }

  @Test
  void rowOfATransactionThatWasPreparedAtTheLastRun_isSeenOnceItIsCommitted() throws Exception {
    assertRead(check(REFERENCE), FULL, 1_000, 0);
    other("insert into orders values (5000, 5000, 'open', 0)");
    other("prepare transaction 'reconcile-incremental'");
    try {
      assertRead(check(REFERENCE), INCREMENTAL, 0, 0);
      assertRead(check(REFERENCE), INCREMENTAL, 0, 0);
    } finally {
      shop.dsl.execute("commit prepared 'reconcile-incremental'");
    }
    assertRead(check(REFERENCE), INCREMENTAL, 1, 1);
  }

  @Test
  void transactionPreparedBeforeTheFirstRun_keepsRunsFull_untilOneBeginsWithoutIt()
      throws Exception {
    other("insert into orders values (5000, 5000, 'open', 0)");
    other("prepare transaction 'reconcile-incremental'");
    try {
      assertThat(check(REFERENCE).outcome()).isEqualTo(CLEAN);
      assertFullBecause(check(REFERENCE), "prepared");
    } finally {
      shop.dsl.execute("commit prepared 'reconcile-incremental'");
    }
    assertFullBecause(check(REFERENCE), "prepared");
    assertRead(check(REFERENCE), INCREMENTAL, 0, 1);
  }

  @Test
  void sourceThatChangesAlone_makesItsRowLookedAt() {
    check(TOTAL);
    shop.dsl.execute("insert into lines values (5000, 42, 1.00)");
    shop.dsl.execute("update lines set amount = 11 where order_id = 43");
    assertRead(check(TOTAL), INCREMENTAL, 2, 2);
  }

  /** What the guide says that an incremental run cannot see. */
  @Test
  void rowWhoseColumnIsNotSet_orFromAClockThatIsBehind_isLeftToTheFullRun() {
    check(REFERENCE);
    shop.dsl.execute("alter table orders disable trigger touch");
    shop.dsl.execute("update orders set customer_id = 9999 where id = 3");
    shop.dsl.execute(
        "insert into orders values (5000, 9999, 'open', 0, now() - interval '30 seconds')");
    assertRead(check(REFERENCE), INCREMENTAL, 0, 0);
    DeclarationReport overlapping =
        checker(REFERENCE).overlap(Duration.ofSeconds(30)).build().run("order-customer");
    assertThat(overlapping.mode()).isEqualTo(INCREMENTAL);
    shop.dsl.execute("alter table orders enable trigger touch");
    DeclarationReport full =
        checker(REFERENCE).incremental(Duration.ofMillis(1)).build().run("order-customer");
    assertFullBecause(full, "longer ago than PT0.001S");
    assertThat(full.open()).isEqualTo(2);
  }

  @Test
  void clockThatIsBehindByLessThanTheOverlap_isCovered() {
    check(REFERENCE);
    shop.dsl.execute(
        "insert into orders values (5000, 9999, 'open', 0, now() - interval '30 minutes')");
    DeclarationReport report =
        checker(REFERENCE).overlap(Duration.ofHours(1)).build().run("order-customer");
    assertThat(report.mode()).isEqualTo(INCREMENTAL);
    assertThat(report.open()).isEqualTo(1);
  }

  @Test
  void clockThatIsAhead_isSeenWhenItsTimeHasCome() {
    check(STATUS);
    shop.dsl.execute(
        "insert into orders values (5000, 1, 'canceled', 0, clock_timestamp() + interval '2 seconds')");
    DeclarationReport before = check(STATUS);
    assertThat(before.mode()).isEqualTo(INCREMENTAL);
    org.awaitility.Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .until(() -> check(STATUS).open() == 1);
  }

  @Test
  void findingOutsideOfTheRange_staysOpen_andIsClosedWhenItIsGone() {
    shop.dsl.execute("update orders set status = 'canceled' where id in (5, 6)");
    assertRead(check(STATUS), FULL, 1_000, 2);
    assertRead(check(STATUS), INCREMENTAL, 0, 2);
    shop.dsl.execute("delete from orders where id = 5");
    DeclarationReport report = check(STATUS);
    assertRead(report, INCREMENTAL, 0, 1);
    assertThat(report.resolved()).isEqualTo(1);
  }

  @Test
  void runThatKeptNotEverything_isNothingToBuildOn() {
    check(STATUS);
    shop.dsl.execute("update orders set status = 'canceled' where id <= 30");
    DeclarationReport report = checker(STATUS).maxCandidates(10).build().run("order-status");
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.notKept()).isEqualTo(20);
    assertRead(check(STATUS), INCREMENTAL, 30, 30);
  }

  @Test
  void budgetOfRows_endsACall_andTheNextGoesOnBehindIt() {
    shop.dsl.execute("analyze orders");
    DeclarationReport report =
        checker(STATUS).rangeRows(100, 100, 100).maxRows(250).build().run("order-status");
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.reason()).hasValueSatisfying(text -> assertThat(text).contains("250"));
    assertThat(report.rowsChecked()).isEqualTo(300);
    assertThat(report.rowsInScope()).isEqualTo(1_000);
    assertThat(report.rowsNotReached()).isEqualTo(700);
    assertThat(report.lastFullScan()).isEmpty();
    DeclarationReport rest = check(STATUS);
    assertFullBecause(rest, "unfinished run");
    assertRead(rest, FULL, 1_000, 0);
  }

  @Test
  void declarationWithoutChangeColumn_isReadWhole_andSaysWhy() {
    check(ShopFixture.ORDER_STATUS);
    assertFullBecause(check(ShopFixture.ORDER_STATUS), "changedAt");
    assertThat(
            Checker.builder(shop.transactions, Declarations.of("1", STATUS))
                .build()
                .run("order-status")
                .whyFull())
        .isEmpty();
  }

  @Test
  void sessionThatMayNotBeSeen_isTakenForTheOldest() throws Exception {
    shop.dsl.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'reconcile_blind') then"
            + " create role reconcile_blind; end if; end $$");
    shop.dsl.execute("grant all on all tables in schema public, pgbelay to reconcile_blind");
    shop.dsl.execute("grant usage, create on schema public, pgbelay to reconcile_blind");
    PGSimpleDataSource role = new PGSimpleDataSource();
    role.setUrl(postgres.jdbcUrl() + "&options=-c%20role=reconcile_blind");
    Transactions blind = Transactions.of(role);
    Checker checker =
        Checker.builder(blind, Declarations.of("1", STATUS))
            .incremental(Duration.ofDays(1))
            .overlap(Duration.ZERO)
            .build();
    other("select now()");
    checker.run("order-status");
    assertFullBecause(checker.run("order-status"), "pg_read_all_stats");
  }
}
