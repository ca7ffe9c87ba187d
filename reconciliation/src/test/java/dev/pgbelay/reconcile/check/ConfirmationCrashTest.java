package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.BetweenTransactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresCluster;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.postgresql.ds.PGSimpleDataSource;

/** A server that crashes in the middle of a confirmation, and comes back. */
@DisabledIfSystemProperty(
    named = "pgbelay.postgres.mode",
    matches = "docker|external",
    disabledReason = "crashes servers")
class ConfirmationCrashTest {
  private static final String LISTS_BLOCKERS = "pg_prepared_xacts p ON";
  private static final String ASKS_WHETHER_THEY_RUN = "virtualtransaction = ANY";

  private static PostgresCluster cluster;

  private final PGSimpleDataSource server = new PGSimpleDataSource();
  private BetweenTransactions database;
  private ShopFixture shop;

  @BeforeAll
  static void start() throws Exception {
    cluster = PostgresCluster.builder().serverConfig("wal_writer_delay", "10s").start();
    PGSimpleDataSource first = new PGSimpleDataSource();
    first.setUrl(cluster.primary().jdbcUrl());
    ShopFixture.SCHEMA.initialize(first);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @BeforeEach
  void fill() {
    server.setUrl(cluster.primary().jdbcUrl());
    database = new BetweenTransactions(server);
    shop = new ShopFixture(server);
    shop.customers(10);
  }

  /** What was committed is on disk. */
  private void crash() {
    shop.dsl.execute("insert into lines values (0, 0, 0)");
    crashUnflushed();
  }

  private void crashUnflushed() {
    cluster.primary().crash();
    cluster.primary().restart();
  }

  /** An order whose customer is about to be there. */
  private void prepareItsCustomer() throws SQLException {
    shop.dsl.execute("insert into orders values (99, 99, 'open', 0)");
    try (Connection connection = server.getConnection();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("insert into customers values (99, 'late')");
      statement.execute("prepare transaction 'reconcile-late'");
      connection.setAutoCommit(true);
    }
  }

  private String nameInLocks() {
    return String.valueOf(
        shop.dsl.fetchValue(
            "select distinct virtualtransaction from pg_locks"
                + " where relation = 'customers'::regclass and pid is null"));
  }

  private Checker.Builder checker() {
    return Checker.builder(
            Transactions.of(database), Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
        .throttle(List.of());
  }

  private DeclarationReport check(Duration confirmWithin) {
    return checker().confirmWithin(confirmWithin).build().run("order-customer");
  }

  @Test
  void preparedTransactionThatOutlivesACrash_isStillWaitedFor_andNamed() throws Exception {
    prepareItsCustomer();
    String before = nameInLocks();
    database.after(1, LISTS_BLOCKERS, this::crash);
    DeclarationReport report;
    try {
      report = check(Duration.ZERO);
      assertThat(database.hasHappened()).isTrue();
      assertThat(nameInLocks()).as("as another transaction").isNotEqualTo(before).startsWith("-1/");
    } finally {
      shop.dsl.execute("commit prepared 'reconcile-late'");
    }
    assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
    assertThat(report.confirmed()).isZero();
    assertThat(report.blockers())
        .singleElement()
        .satisfies(
            blocker -> {
              assertThat(blocker.application()).isEqualTo("reconcile-late");
              assertThat(blocker.transaction()).startsWith("-1/");
            });
    assertThat(report.reason()).hasValueSatisfying(t -> assertThat(t).contains("reconcile-late"));
    assertThat(check(Duration.ofMinutes(1)).outcome()).isEqualTo(CLEAN);
  }

  @Test
  void crashWhileItIsWaitedFor_endsNoWait() throws Exception {
    prepareItsCustomer();
    database.after(2, ASKS_WHETHER_THEY_RUN, this::crash);
    CompletableFuture<DeclarationReport> check =
        CompletableFuture.supplyAsync(() -> check(Duration.ofMinutes(5)));
    try {
      Awaitility.await()
          .atMost(Duration.ofMinutes(2))
          .until(() -> database.hasHappened() || check.isDone());
      // Three more looks, or what it took them for.
      BetweenTransactions looks = database.after(3, ASKS_WHETHER_THEY_RUN, () -> {});
      Awaitility.await()
          .atMost(Duration.ofMinutes(2))
          .until(() -> looks.hasHappened() || check.isDone());
      assertThat(check).isNotDone();
    } finally {
      shop.dsl.execute("commit prepared 'reconcile-late'");
    }
    DeclarationReport report = check.get(1, TimeUnit.MINUTES);
    assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
    assertThat(report.candidates()).isEqualTo(1);
  }

  /** Whoever runs next goes on with the run, and finds the transaction under its other name. */
  @Test
  void crashThatEndsTheCheckersProcessToo_leavesTheBlockerToTheNextRun() throws Exception {
    prepareItsCustomer();
    database.after(
        1,
        LISTS_BLOCKERS,
        () -> {
          crash();
          throw new IllegalStateException("died");
        });
    try {
      assertThat(check(Duration.ofMinutes(1)).outcome()).isEqualTo(INCOMPLETE);
      DeclarationReport report = check(Duration.ZERO);
      assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
      assertThat(report.blockers()).extracting(Blocker::application).contains("reconcile-late");
    } finally {
      shop.dsl.execute("rollback prepared 'reconcile-late'");
    }
    assertThat(check(Duration.ofMinutes(1)).outcome()).isEqualTo(FINDINGS);
  }

  /** The look at the rows was committed and not yet flushed: nothing of it is there any more. */
  @Test
  void crashThatTakesTheScanBack_isNoCleanRun() {
    shop.dsl.execute("delete from customers where id = 3");
    shop.dsl.execute(
        "insert into pgbelay.reconcile_run (declaration, version, mode, rows_in_scope)"
            + " values ('order-customer', '1', 'FULL', 10)");
    database.after(1, LISTS_BLOCKERS, this::crashUnflushed);
    DeclarationReport report = check(Duration.ofMinutes(1));
    assertThat(database.hasHappened()).isTrue();
    assertThat(report.outcome()).as("%s", report).isIn(INCOMPLETE, FINDINGS);
    DeclarationReport next = check(Duration.ofMinutes(1));
    assertThat(next.outcome()).as("%s", next).isEqualTo(FINDINGS);
    assertThat(next.open()).isEqualTo(1);
  }
}
