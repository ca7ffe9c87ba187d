package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.condition;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.PassingDataSource;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.RestrictedRole;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresNode;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.postgresql.ds.PGSimpleDataSource;

/** Ranges that are looked at on a replica, which may be behind, cancel them, or be promoted. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ReplicaScanPostgresTest {
  private static PostgresCluster cluster;
  private static PostgresDatabase database;
  private static PostgresNode replica;
  private static PostgresNode bystander;

  private ShopFixture shop;

  @BeforeAll
  static void start() throws Exception {
    cluster = PostgresCluster.builder().replicas(2).start();
    replica = cluster.replicas().get(0);
    bystander = cluster.replicas().get(1);
    database = cluster.createDatabase("replica_scan");
    ShopFixture.SCHEMA.initialize(database.dataSource());
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @BeforeEach
  void fill() {
    shop = new ShopFixture(database.dataSource());
    shop.customers(100);
  }

  @AfterEach
  void heal() {
    if (replica.isReplica()) {
      replica.resumeReplay();
    }
  }

  private static DataSource replica(IntConsumer beforeConnection) {
    PGSimpleDataSource target = new PGSimpleDataSource();
    target.setUrl(replica.jdbcUrl(database.name()));
    AtomicInteger count = new AtomicInteger();
    return new PassingDataSource(target) {
      @Override
      protected Connection passed(Connection connection) {
        beforeConnection.accept(count.incrementAndGet());
        return connection;
      }
    };
  }

  private Checker.Builder checker(DataSource scanned) {
    return Checker.builder(
            shop.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
        .scanOn(scanned)
        .rangeRows(20, 20, 20)
        .confirmWithin(Duration.ofMinutes(1))
        .throttle(List.of());
  }

  private static boolean isInRecovery(DataSource scanned) {
    return Boolean.TRUE.equals(
        DSL.using(scanned, SQLDialect.POSTGRES).fetchValue("select pg_is_in_recovery()"));
  }

  @Test
  @Order(1)
  void everyRangeIsLookedAtOnTheReplica_andConfirmedOnThePrimary() {
    shop.dsl.execute("delete from customers where id in (3, 77)");
    AtomicInteger connections = new AtomicInteger();
    DataSource scanned = replica(connections::set);
    assertThat(isInRecovery(scanned)).isTrue();
    DeclarationReport report = checker(scanned).build().run("order-customer");
    assertThat(report.outcome()).as("%s", report).isEqualTo(FINDINGS);
    assertThat(report.rowsChecked()).isEqualTo(100);
    assertThat(report.confirmed()).isEqualTo(2);
    assertThat(connections.get()).as("five ranges and the wait before them").isGreaterThan(6);
  }

  @Test
  @Order(1)
  void roleThatMayReadTheTables_canScanOnTheReplica() {
    try (RestrictedRole role = new RestrictedRole(database.dataSource(), database.jdbcUrl())) {
      shop.dsl.execute("grant pg_monitor to " + role.name());
      replica.awaitCaughtUp();
      try (HikariDataSource scanned = role.sessions(replica.jdbcUrl(database.name()))) {
        Checker checker =
            Checker.builder(
                    role.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
                .scanOn(scanned)
                .build();
        role.assertNeeds(
            () ->
                shop.dsl.execute(
                    "truncate pgbelay.reconcile_run, pgbelay.reconcile_finding, pgbelay.chunk_job"),
            () -> {
              DeclarationReport report = checker.run("order-customer");
              assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
            },
            "select on orders",
            "select on customers",
            "select on pgbelay.reconcile_run",
            "insert on pgbelay.reconcile_run",
            "update on pgbelay.reconcile_run",
            "select on pgbelay.reconcile_finding",
            "select on pgbelay.chunk_job",
            "insert on pgbelay.chunk_job",
            "update on pgbelay.chunk_job",
            "delete on pgbelay.chunk_job");
      }
    }
  }

  /** A replica that the throttle must not see may be behind; nobody waits for that in vain. */
  @Test
  @Order(1)
  void waitForTheThrottle_isWithinTheTimeOfTheScan_andIsNamed() {
    try (RestrictedRole role = new RestrictedRole(database.dataSource(), database.jdbcUrl())) {
      shop.dsl.execute("grant select on all tables in schema public to " + role.name());
      shop.dsl.execute("grant all on all tables in schema pgbelay to " + role.name());
      Checker.Builder checker =
          Checker.builder(
                  role.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
              .scanWithin(Duration.ofMillis(500));
      DeclarationReport report = checker.build().run("order-customer");
      assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
      assertThat(report.reason())
          .hasValueSatisfying(
              why ->
                  assertThat(why)
                      .contains("longer than PT0.5S", "replica_lag", "(grant pg_monitor)"));
      shop.dsl.execute("grant pg_monitor to " + role.name());
      DeclarationReport next = checker.build().run("order-customer");
      assertThat(next.rowsChecked()).as("%s", next).isEqualTo(100);
    }
  }

  /** What the replica shows is older than what the primary knows by then. */
  @Test
  @Order(2)
  void mendedOnThePrimaryBehindTheReplicasBack_isNoFinding() {
    replica.awaitCaughtUp();
    shop.dsl.execute("delete from customers where id = 3");
    DataSource scanned =
        replica(
            number -> {
              if (shop.count("select count(*) from customers where id = 3") == 0
                  && shop.count("select count(*) from pgbelay.chunk_job") > 0) {
                replica.pauseReplay();
                shop.dsl.execute("insert into customers values (3, 'back')");
              }
            });
    DeclarationReport report = checker(scanned).build().run("order-customer");
    assertThat(report.candidates()).as("%s", report).isEqualTo(1);
    assertThat(report.outcome()).isEqualTo(CLEAN);
  }

  @Test
  @Order(3)
  void replicaThatIsBehind_isNotRead_andTheRunGoesOnWhenItHasCaughtUp() {
    replica.awaitCaughtUp();
    replica.pauseReplay();
    shop.dsl.execute("delete from customers where id = 3");
    Checker hasty = checker(replica(n -> {})).confirmWithin(Duration.ofMillis(300)).build();
    DeclarationReport behind = hasty.run("order-customer");
    assertThat(behind.outcome()).isEqualTo(INCOMPLETE);
    assertThat(behind.reason())
        .hasValueSatisfying(text -> assertThat(text).contains("the replica has replayed"));
    assertThat(behind.rowsChecked()).isZero();
    CompletableFuture<DeclarationReport> waiting =
        CompletableFuture.supplyAsync(
            () -> checker(replica(n -> {})).build().run("order-customer"));
    replica.resumeReplay();
    DeclarationReport report = waiting.orTimeout(2, TimeUnit.MINUTES).join();
    assertThat(report.outcome()).as("%s", report).isEqualTo(FINDINGS);
    assertThat(report.confirmed()).isEqualTo(1);
  }

  @Test
  @Order(4)
  void scanThatReplayCancels_isTriedAgain() throws Exception {
    replica.configure("max_standby_streaming_delay", "0");
    replica.awaitCaughtUp();
    Invariant slow =
        Invariant.everyRow(
            "slow",
            ShopFixture.ORDERS,
            condition("(pg_sleep(0.02) is not null and exists (select from customers))"));
    CompletableFuture<DeclarationReport> run =
        CompletableFuture.supplyAsync(
            () ->
                Checker.builder(shop.transactions, Declarations.of("1", slow))
                    .scanOn(replica(n -> {}))
                    .rangeRows(50, 50, 50)
                    .throttle(List.of())
                    .build()
                    .run("slow"));
    Standby there = new Standby(replica(n -> {}));
    Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .pollInterval(Duration.ofMillis(50))
        .until(
            () -> {
              shop.transactions.execute(
                  tx -> tx.dsl().execute("lock table customers in access exclusive mode"));
              return there.conflicts() > 0 || run.isDone();
            });
    DeclarationReport report = run.get(2, TimeUnit.MINUTES);
    assertThat(there.conflicts()).isPositive();
    assertThat(report.outcome()).as("%s", report).isEqualTo(CLEAN);
    assertThat(report.rowsChecked()).isEqualTo(100);
  }

  private record Standby(DataSource scanned) {
    long conflicts() {
      return Long.parseLong(
          String.valueOf(
              DSL.using(scanned, SQLDialect.POSTGRES)
                  .fetchValue(
                      "select confl_lock + confl_snapshot from pg_stat_database_conflicts"
                          + " where datname = current_database()")));
    }
  }

  @Test
  @Order(5)
  void thePrimaryInItsPlace_isRefused() {
    DeclarationReport report = checker(database.dataSource()).build().run("order-customer");
    assertThat(report.outcome()).isEqualTo(INCOMPLETE);
    assertThat(report.reason())
        .hasValueSatisfying(text -> assertThat(text).contains("not in recovery"));
  }

  @Test
  @Order(6)
  void incrementalRun_looksAtTheReplicaToo() {
    shop.dsl.execute(
        "create table visit (id bigint primary key, ok boolean, changed_at timestamptz not null default now());"
            + " create index on visit (changed_at, id);"
            + " insert into visit select g, true from generate_series(1, 100) g");
    Invariant visits =
        Invariant.everyRow("visits", DSL.table(DSL.name("visit")), DSL.condition("visit.ok"))
            .withChangedAt(DSL.field(DSL.name("visit", "changed_at")));
    AtomicInteger connections = new AtomicInteger();
    Checker checker =
        Checker.builder(shop.transactions, Declarations.of("1", visits))
            .scanOn(replica(connections::set))
            .incremental(Duration.ofDays(1))
            .overlap(Duration.ZERO)
            .throttle(List.of())
            .build();
    assertThat(checker.run("visits").rowsChecked()).isEqualTo(100);
    shop.dsl.execute(
        "update visit set ok = false, changed_at = clock_timestamp() where id in (7, 8)");
    int before = connections.get();
    DeclarationReport report = checker.run("visits");
    assertThat(report.mode()).as("%s", report).isEqualTo(DeclarationReport.Mode.INCREMENTAL);
    assertThat(report.rowsChecked()).isEqualTo(2);
    assertThat(report.confirmed()).isEqualTo(2);
    assertThat(connections.get()).isGreaterThan(before + 1);
  }

  @Test
  @Order(7)
  void replicaOfAnotherCluster_isRefused() throws Exception {
    try (PostgresCluster another = PostgresCluster.builder().replicas(1).start()) {
      PGSimpleDataSource scanned = new PGSimpleDataSource();
      scanned.setUrl(another.replica().jdbcUrl());
      DeclarationReport report = checker(scanned).build().run("order-customer");
      assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
      assertThat(report.reason())
          .hasValueSatisfying(text -> assertThat(text).contains("another cluster"));
      assertThat(report.rowsChecked()).isZero();
    }
  }

  @Test
  @Order(8)
  void promotedInTheMiddle_nothingMoreIsReadThere() {
    DataSource scanned =
        replica(
            number -> {
              if (replica.isReplica()
                  && shop.count("select coalesce(max(rows_checked), 0) from pgbelay.reconcile_run")
                      > 0) {
                replica.promote();
              }
            });
    DeclarationReport report = checker(scanned).build().run("order-customer");
    assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
    assertThat(report.reason())
        .hasValueSatisfying(text -> assertThat(text).contains("not in recovery"));
    assertThat(report.rowsChecked()).isBetween(20L, 80L);
    DeclarationReport onThePrimary =
        Checker.builder(
                shop.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
            .throttle(List.of())
            .build()
            .run("order-customer");
    assertThat(onThePrimary.outcome()).isEqualTo(CLEAN);
    assertThat(onThePrimary.rowsChecked()).isEqualTo(100);
  }

  /** After a fail-over that one goes on with the old primary. */
  @Test
  @Order(9)
  void replicaOfAnotherTimeline_isRefused() {
    PGSimpleDataSource primary = new PGSimpleDataSource();
    primary.setUrl(replica.jdbcUrl(database.name()));
    PGSimpleDataSource scanned = new PGSimpleDataSource();
    scanned.setUrl(bystander.jdbcUrl(database.name()));
    assertThat(isInRecovery(primary)).isFalse();
    assertThat(isInRecovery(scanned)).isTrue();
    DeclarationReport report =
        Checker.builder(
                Transactions.of(primary),
                Declarations.of("2", ShopFixture.ORDER_CUSTOMER_REFERENCE))
            .scanOn(scanned)
            .confirmWithin(Duration.ofMillis(500))
            .throttle(List.of())
            .build()
            .run("order-customer");
    assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
    assertThat(report.reason())
        .hasValueSatisfying(text -> assertThat(text).contains("the replica has replayed"));
    assertThat(report.rowsChecked()).isZero();
  }
}
