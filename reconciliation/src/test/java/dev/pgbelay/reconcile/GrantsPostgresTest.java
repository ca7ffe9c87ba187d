package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.check.Findings;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.health.ReconcileMonitor;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.reconcile.report.Coverage;
import dev.pgbelay.reconcile.retention.Retention;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide: with them each role can do its work, without any one it cannot. */
class GrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Reference CASCADE =
      Reference.builder("order-customer")
          .child(ShopFixture.ORDERS, ShopFixture.ORDER_CUSTOMER)
          .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
          .onDelete(OnDelete.cascade())
          .build();
  private static final Declarations CASCADES = Declarations.of("1", CASCADE);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final String role = "r" + UUID.randomUUID().toString().replace("-", "");
  private final HikariDataSource pool = pool(role);
  private final Transactions transactions = Transactions.of(pool);

  private HikariDataSource pool(String as) {
    shop.dsl.execute("create role " + as + " nologin");
    shop.dsl.execute("grant usage on schema pgbelay to " + as);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl() + "&options=-c%20role=" + as);
    config.setMaximumPoolSize(2);
    return new HikariDataSource(config);
  }

  @AfterEach
  void dropRole() {
    DeleteCapture.of(shop.transactions, CASCADES).uninstall();
    pool.close();
    shop.dsl.execute("drop owned by " + role);
    shop.dsl.execute("drop role " + role);
  }

  /** What a role does; throws where it could not. */
  private interface Deed {
    void run();
  }

  private void assertNeeds(Deed before, Deed deed, String... grants) {
    for (String each : grants) {
      shop.dsl.execute("grant " + each + " to " + role);
    }
    before.run();
    deed.run();
    for (String each : grants) {
      shop.dsl.execute("revoke " + each + " from " + role);
      before.run();
      assertThatThrownBy(deed::run).as("without " + each).hasStackTraceContaining("permission");
      shop.dsl.execute("grant " + each + " to " + role);
    }
    before.run();
    deed.run();
  }

  /** Everything from the start: one order of three has no customer. */
  private void orphan() {
    shop.dsl.execute(
        "truncate customers, orders, lines, pgbelay.reconcile_run, pgbelay.reconcile_finding,"
            + " pgbelay.reconcile_undo, pgbelay.reconcile_deleted, pgbelay.chunk_job");
    shop.customers(3);
    shop.dsl.execute("delete from customers where id = 2");
  }

  private void confirmed() {
    orphan();
    Checker.builder(shop.transactions, CASCADES).build().run();
  }

  @Test
  void checker() {
    assertNeeds(
        this::orphan,
        () -> {
          DeclarationReport report =
              Checker.builder(transactions, CASCADES).build().run().declarations().get(0);
          assertThat(report.outcome())
              .as(report.reason().orElse(""))
              .isEqualTo(DeclarationReport.Outcome.FINDINGS);
          shop.dsl.execute("insert into customers values (2)");
          DeclarationReport mended =
              Checker.builder(transactions, CASCADES).build().run().declarations().get(0);
          assertThat(mended.outcome())
              .as(mended.reason().orElse(""))
              .isEqualTo(DeclarationReport.Outcome.CLEAN);
        },
        "select on orders",
        "select on customers",
        "select on pgbelay.reconcile_run",
        "insert on pgbelay.reconcile_run",
        "update on pgbelay.reconcile_run",
        "select on pgbelay.reconcile_finding",
        "insert on pgbelay.reconcile_finding",
        "update on pgbelay.reconcile_finding",
        "delete on pgbelay.reconcile_finding",
        "select on pgbelay.chunk_job",
        "insert on pgbelay.chunk_job",
        "update on pgbelay.chunk_job",
        "delete on pgbelay.chunk_job");
  }

  @Test
  void repairs_andUndo() {
    assertNeeds(
        this::confirmed,
        () -> {
          RepairReport report =
              Repairs.builder(transactions, CASCADES)
                  .policy("order-customer", RepairPolicy.quarantine())
                  .build()
                  .run();
          assertThat(report.declarations().get(0).repaired())
              .as(report.declarations().get(0).failures().toString())
              .isEqualTo(1);
          assertThat(UndoLog.of(transactions).undo(report.batch()).restored()).isEqualTo(1);
        },
        "select on orders",
        "update (id) on orders",
        "delete on orders",
        "insert on orders",
        "select on customers",
        "select on pgbelay.reconcile_finding",
        "update on pgbelay.reconcile_finding",
        "select on pgbelay.reconcile_undo",
        "insert on pgbelay.reconcile_undo",
        "update on pgbelay.reconcile_undo");
  }

  @Test
  void guardsThatAsk() {
    assertNeeds(
        this::orphan,
        () -> transactions.execute(tx -> ParentGuard.exists(CASCADE).check(tx, 1L)),
        "select on customers");
  }

  @Test
  void guardsThatLock() {
    assertNeeds(
        this::orphan,
        () -> transactions.execute(tx -> ParentGuard.locked(CASCADE).check(tx, 1L)),
        "select on customers",
        "update (id) on customers");
  }

  @Test
  void whoDeletesParents() {
    assertNeeds(
        () -> {
          orphan();
          DeleteCapture.of(shop.transactions, CASCADES).install();
          shop.dsl.execute("truncate pgbelay.reconcile_deleted");
        },
        () -> {
          transactions.execute(tx -> tx.dsl().execute("delete from customers where id = 1"));
          assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isEqualTo(1);
        },
        "select on customers",
        "delete on customers",
        "insert on pgbelay.reconcile_deleted");
  }

  @Test
  void workerOfDeletes() {
    assertNeeds(
        () -> {
          orphan();
          DeleteCapture.of(shop.transactions, CASCADES).install();
          shop.dsl.execute("truncate pgbelay.reconcile_deleted");
          shop.dsl.execute("delete from customers where id = 1");
        },
        () -> {
          Propagation propagation = Propagation.builder(transactions, CASCADES).build();
          int work;
          do {
            work = propagation.runOnce().work();
          } while (work > 0);
          boolean done =
              shop.count("select count(*) from orders where id = 1") == 0
                  && shop.count("select count(*) from pgbelay.reconcile_deleted") == 0;
          assertThat(done).as("permission, see the log").isTrue();
        },
        "select on customers",
        "select on orders",
        "update (id) on orders",
        "delete on orders",
        "select on pgbelay.reconcile_deleted",
        "update on pgbelay.reconcile_deleted",
        "delete on pgbelay.reconcile_deleted",
        "select on pgbelay.reconcile_undo",
        "insert on pgbelay.reconcile_undo",
        "update on pgbelay.reconcile_undo");
  }

  @Test
  void readerOfReportsAndMonitor() {
    assertNeeds(
        this::confirmed,
        () -> {
          TxOptions read = TxOptions.builder().path("test").readOnly(true).build();
          List<Finding> found =
              transactions.run(
                  read,
                  tx -> Findings.create().list(tx.dsl(), CASCADE, Finding.State.CONFIRMED, 0, 10));
          assertThat(found).hasSize(1);
          try (ReconcileMonitor monitor =
              ReconcileMonitor.builder(transactions, CASCADES).build()) {
            assertThat(monitor.look().declarations().get(0).confirmed()).isEqualTo(1);
          }
        },
        "select on pgbelay.reconcile_run",
        "select on pgbelay.reconcile_finding",
        "select on pgbelay.reconcile_deleted");
  }

  @Test
  void coverage_needsNothing() {
    assertThat(Coverage.builder(transactions, CASCADES).build().read().columns()).isNotEmpty();
  }

  @Test
  void retention() {
    assertNeeds(
        () -> {
          confirmed();
          shop.dsl.execute(
              "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence,"
                  + " closed_at) values ('d', '[\"1\"]', 'RESOLVED', '{}', now() - interval '1 year')");
        },
        () -> assertThat(Retention.builder(transactions).build().run().findings()).isEqualTo(1),
        "select on pgbelay.reconcile_run",
        "delete on pgbelay.reconcile_run",
        "select on pgbelay.reconcile_finding",
        "delete on pgbelay.reconcile_finding",
        "select on pgbelay.reconcile_undo",
        "delete on pgbelay.reconcile_undo",
        "select on pgbelay.reconcile_deleted",
        "select on pgbelay.chunk_job",
        "insert on pgbelay.chunk_job",
        "update on pgbelay.chunk_job");
  }
}
