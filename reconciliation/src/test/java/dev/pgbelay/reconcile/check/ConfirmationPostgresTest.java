package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is only under way is not reported. */
class ConfirmationPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private Connection other;

  @BeforeEach
  void open() throws SQLException {
    shop.customers(10);
    other = postgres.dataSource().getConnection();
    other.setAutoCommit(false);
  }

  @AfterEach
  void close() throws Exception {
    other.rollback();
    other.setAutoCommit(true);
    other.close();
    threads.shutdownNow();
    assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
  }

  private void other(String sql) throws SQLException {
    try (Statement statement = other.createStatement()) {
      statement.execute(sql);
    }
  }

  private CompletableFuture<DeclarationReport> check(Duration confirmWithin, Declaration what) {
    Checker checker =
        Checker.builder(shop.transactions, Declarations.of("1", what))
            .confirmWithin(confirmWithin)
            .pollInterval(Duration.ofMillis(10))
            .build();
    return CompletableFuture.supplyAsync(() -> checker.run(what.name()), threads);
  }

  private CompletableFuture<DeclarationReport> check() {
    return check(Duration.ofMinutes(1), ShopFixture.ORDER_CUSTOMER_REFERENCE);
  }

  private static DeclarationReport end(CompletableFuture<DeclarationReport> check)
      throws Exception {
    return check.get(1, TimeUnit.MINUTES);
  }

  /** The scan is over; somebody is waited for. */
  private void awaitCandidates(int count) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .pollInterval(Duration.ofMillis(10))
        .until(
            () ->
                shop.count(
                        "select count(*) from pgbelay.reconcile_finding where state = 'CANDIDATE'")
                    == count);
    awaitPolls();
  }

  /** Two looks at the run's blockers, if it looks at any. */
  private void awaitPolls() {
    Awaitility.await().pollDelay(Duration.ofMillis(300)).until(() -> true);
  }

  @Test
  void parentInsertedByAnOpenTransaction_isWaitedFor() throws Exception {
    shop.dsl.execute("insert into orders values (99, 99, 'open', 0)");
    other("insert into customers values (99, 'late')");
    CompletableFuture<DeclarationReport> check = check();
    awaitCandidates(1);
    assertThat(check).isNotDone();
    other.commit();
    DeclarationReport report = end(check);
    assertThat(report.outcome()).isEqualTo(CLEAN);
    assertThat(report.candidates()).isEqualTo(1);
    assertThat(report.confirmed()).isZero();
    assertThat(shop.count("select count(*) from pgbelay.reconcile_finding")).isZero();
  }

  @Test
  void childrenDeletedByAnOpenTransaction_areWaitedFor_alsoIfItHasOnlyReadSoFar() throws Exception {
    shop.dsl.execute("delete from customers where id in (3, 4)");
    other("select * from orders where customer_id = 3");
    CompletableFuture<DeclarationReport> check = check();
    awaitCandidates(2);
    assertThat(check).isNotDone();
    other("delete from orders where customer_id = 3");
    other.commit();
    DeclarationReport report = end(check);
    assertThat(report.outcome()).isEqualTo(FINDINGS);
    assertThat(report.confirmed()).isEqualTo(1);
  }

  @Test
  void preparedAfterItWasSeen_isWaitedForUntilItsEnd() throws Exception {
    shop.dsl.execute("insert into orders values (99, 99, 'open', 0)");
    other("insert into customers values (99, 'late')");
    CompletableFuture<DeclarationReport> check = check();
    awaitCandidates(1);
    other("prepare transaction 'reconcile-late'");
    try {
      awaitPolls();
      assertThat(check).isNotDone();
    } finally {
      shop.dsl.execute("commit prepared 'reconcile-late'");
    }
    assertThat(end(check).outcome()).isEqualTo(CLEAN);
  }

  @Test
  void transactionThatDoesNotEnd_isNamed_andNothingIsConfirmed() throws Exception {
    shop.dsl.execute("delete from customers where id = 3");
    other("set local application_name = 'nightly-import'");
    other("select * from customers");
    DeclarationReport report =
        end(check(Duration.ofMillis(200), ShopFixture.ORDER_CUSTOMER_REFERENCE));
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.confirmed()).isZero();
    assertThat(report.unsettled()).isEqualTo(1);
    assertThat(report.blockers())
        .singleElement()
        .satisfies(
            blocker -> {
              assertThat(blocker.application()).isEqualTo("nightly-import");
              assertThat(blocker.since()).isPresent();
            });
    assertThat(report.reason()).hasValueSatisfying(t -> assertThat(t).contains("nightly-import"));
    other.rollback();
    assertThat(end(check()).outcome()).isEqualTo(FINDINGS);
  }

  @Test
  void preparedTransactionThatDoesNotEnd_isNamedByItsGlobalId() throws Exception {
    shop.dsl.execute("delete from customers where id = 3");
    other("update customers set name = 'x' where id = 4");
    other("prepare transaction 'reconcile-forgotten'");
    try {
      DeclarationReport report =
          end(check(Duration.ofMillis(200), ShopFixture.ORDER_CUSTOMER_REFERENCE));
      assertThat(report.outcome()).isEqualTo(INCOMPLETE);
      assertThat(report.blockers())
          .singleElement()
          .satisfies(
              blocker -> {
                assertThat(blocker.application()).isEqualTo("reconcile-forgotten");
                assertThat(blocker.pid()).isEmpty();
              });
    } finally {
      shop.dsl.execute("rollback prepared 'reconcile-forgotten'");
    }
  }

  @Test
  void transactionOnOtherTables_isNotWaitedFor() throws Exception {
    shop.dsl.execute("delete from customers where id = 3");
    other("insert into lines values (1000, 1, 1)");
    assertThat(end(check(Duration.ZERO, ShopFixture.ORDER_CUSTOMER_REFERENCE)).outcome())
        .isEqualTo(FINDINGS);
  }

  @Test
  void withinItsGrace_nothingIsConfirmed_afterItEverythingIs() throws Exception {
    Reference graceful =
        Reference.builder("graceful")
            .child(ORDERS, ORDER_CUSTOMER)
            .parent(CUSTOMERS, CUSTOMER_ID)
            .grace(Duration.ofHours(1))
            .build();
    shop.dsl.execute("delete from customers where id in (3, 4)");
    DeclarationReport young = end(check(Duration.ofMillis(200), graceful));
    assertThat(young.outcome()).isEqualTo(INCOMPLETE);
    assertThat(young.unsettled()).isEqualTo(2);
    shop.dsl.execute("insert into customers values (3, 'written later')");
    shop.dsl.execute(
        "update pgbelay.reconcile_finding set evidence_since = evidence_since - interval '2 hours'");
    DeclarationReport old = end(check(Duration.ofMillis(200), graceful));
    assertThat(old.outcome()).isEqualTo(FINDINGS);
    assertThat(old.confirmed()).isEqualTo(1);
  }

  @Test
  void childThatRefersToAnotherMissingParentMeanwhile_isANewCandidate() throws Exception {
    shop.dsl.execute("delete from customers where id in (3, 4)");
    shop.dsl.execute("delete from orders where id = 4");
    other("update orders set customer_id = 4 where id = 3");
    CompletableFuture<DeclarationReport> check = check();
    awaitCandidates(1);
    other.commit();
    DeclarationReport report = end(check);
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.confirmed()).isZero();
    assertThat(end(check()).outcome()).isEqualTo(FINDINGS);
  }

  @Test
  void partitionWrittenByItsOwnName_isWaitedFor() throws Exception {
    shop.dsl.execute(
        "create table event (id bigint primary key, customer_id bigint) partition by range (id)");
    shop.dsl.execute("create table event_1 partition of event for values from (0) to (1000)");
    shop.dsl.execute("create index on event (customer_id)");
    shop.dsl.execute("insert into event values (1, 77)");
    Reference reference =
        Reference.builder("event-customer")
            .child(
                org.jooq.impl.DSL.table(org.jooq.impl.DSL.name("event")),
                org.jooq.impl.DSL.field(org.jooq.impl.DSL.name("customer_id")))
            .parent(CUSTOMERS, CUSTOMER_ID)
            .build();
    other("delete from event_1 where id = 1");
    CompletableFuture<DeclarationReport> check = check(Duration.ofMinutes(1), reference);
    awaitCandidates(1);
    assertThat(check).isNotDone();
    other.commit();
    assertThat(end(check).outcome()).isEqualTo(CLEAN);
  }

  @Test
  void tableThatInherits_writtenByItsOwnName_isWaitedFor() throws Exception {
    shop.dsl.execute("create table if not exists vips () inherits (customers)");
    shop.dsl.execute("insert into orders values (99, 99, 'open', 0)");
    other("insert into vips values (99, 'late')");
    CompletableFuture<DeclarationReport> check = check();
    awaitCandidates(1);
    assertThat(check).isNotDone();
    other.commit();
    assertThat(end(check).outcome()).isEqualTo(CLEAN);
    shop.dsl.execute("drop table vips");
  }
}
