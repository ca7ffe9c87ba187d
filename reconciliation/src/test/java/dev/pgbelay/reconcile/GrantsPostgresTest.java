package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.check.Findings;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.health.ReconcileMonitor;
import dev.pgbelay.reconcile.migrate.ForeignKeyMigration;
import dev.pgbelay.reconcile.migrate.ShadowGuard;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.report.Coverage;
import dev.pgbelay.reconcile.retention.Retention;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide: with them each role can do its work, without any one it cannot. */
class GrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Reference CASCADE =
      ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build();
  private static final Declarations CASCADES = Declarations.of("1", CASCADE);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final RestrictedRole role = new RestrictedRole(postgres.dataSource(), postgres.jdbcUrl());
  private final Transactions transactions = role.transactions;

  @AfterEach
  void dropRole() {
    DeleteCapture.of(shop.transactions, CASCADES).uninstall();
    role.close();
  }

  /** Everything from the start: one order of three has no customer. */
  private void orphan() {
    shop.dsl.execute(
        "truncate customers, orders, lines, pgbelay.reconcile_run, pgbelay.reconcile_finding,"
            + " pgbelay.reconcile_undo, pgbelay.reconcile_deleted, pgbelay.chunk_job");
    shop.customers(3);
    shop.dsl.execute("delete from customers where id = 2");
  }

  private void sound() {
    orphan();
    shop.dsl.execute("insert into customers values (2)");
  }

  private void confirmed() {
    orphan();
    Checker.builder(shop.transactions, CASCADES).build().run();
  }

  @Test
  void checker() {
    role.assertNeeds(
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
  void incrementalRuns() {
    shop.dsl.execute("alter table orders add changed_at timestamptz not null default now()");
    shop.dsl.execute("create index touched on orders (changed_at, id)");
    try {
      Declarations changing =
          Declarations.of(
              "1",
              ShopFixture.orderCustomer()
                  .onDelete(OnDelete.cascade())
                  .changedAt(field(name("orders", "changed_at"), SQLDataType.TIMESTAMPWITHTIMEZONE))
                  .build());
      role.assertNeeds(
          () -> {
            DeleteCapture.of(shop.transactions, changing).uninstall();
            orphan();
            DeleteCapture.of(shop.transactions, changing).install();
            incremental(shop.transactions, changing);
            shop.dsl.execute("delete from customers where id = 3");
          },
          () -> {
            DeclarationReport report = incremental(transactions, changing);
            assertThat(report.mode()).isEqualTo(DeclarationReport.Mode.INCREMENTAL);
            assertThat(report.open()).isEqualTo(2);
          },
          "select on orders",
          "select on customers",
          "select on pgbelay.reconcile_deleted",
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
    } finally {
      shop.dsl.execute("alter table orders drop column changed_at");
    }
  }

  private static DeclarationReport incremental(Transactions as, Declarations changing) {
    DeclarationReport report =
        Checker.builder(as, changing).incremental(Duration.ofDays(1)).build().run("order-customer");
    assertThat(report.outcome())
        .as(report.reason().orElse(""))
        .isEqualTo(DeclarationReport.Outcome.FINDINGS);
    return report;
  }

  @Test
  void guardsThatAsk() {
    role.assertNeeds(
        this::orphan,
        () -> transactions.execute(tx -> ParentGuard.exists(CASCADE).check(tx, 1L)),
        "select on customers");
  }

  @Test
  void guardsThatLock() {
    role.assertNeeds(
        this::orphan,
        () -> transactions.execute(tx -> ParentGuard.locked(CASCADE).check(tx, 1L)),
        "select on customers",
        "update (id) on customers");
  }

  @Test
  void whoDeletesParents() {
    role.assertNeeds(
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
  void whoDeletesParentsUnderRestrict() {
    Declarations restricted =
        Declarations.of("1", ShopFixture.orderCustomer().onDelete(OnDelete.restrict()).build());
    role.assertNeeds(
        () -> {
          DeleteCapture.of(shop.transactions, restricted).uninstall();
          orphan();
          shop.dsl.execute("delete from orders where id = 1");
          DeleteCapture.of(shop.transactions, restricted).install();
        },
        () -> {
          transactions.execute(tx -> tx.dsl().execute("delete from customers where id = 1"));
          assertThat(shop.count("select count(*) from customers where id = 1")).isZero();
        },
        "select on customers",
        "delete on customers",
        "select on orders");
  }

  @Test
  void whoSaysThatHeDeletes() {
    role.assertNeeds(
        this::orphan,
        () -> {
          transactions.execute(
              tx ->
                  DeleteCapture.of(transactions, CASCADES)
                      .capture(tx, "order-customer", List.of(List.of(1L))));
          assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isEqualTo(1);
        },
        "insert on pgbelay.reconcile_deleted");
  }

  @Test
  void readerOfReportsAndMonitor() {
    role.assertNeeds(
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

  /** What belongs to an owner cannot be granted. */
  @Test
  void captureAndMigration() {
    String own = "alter table %s owner to ";
    String owner = String.valueOf(shop.dsl.fetchValue("select quote_ident(current_user)"));
    ForeignKeyMigration migration =
        ForeignKeyMigration.builder(role.dataSource(), transactions, CASCADES, "order-customer")
            .guardsEnforced(new ShadowGuard.Measured(1, 0, 0, 0, List.of()))
            .build();
    try {
      for (String table : List.of("customers", "orders")) {
        shop.dsl.execute(own.formatted(table) + role.name());
      }
      role.assertNeeds(
          () -> {
            DeleteCapture.of(shop.transactions, CASCADES).uninstall();
            shop.dsl.execute(
                "alter table orders drop constraint if exists orders_customer_id_fkey");
            sound();
            shop.dsl.execute(
                "alter table orders add constraint orders_customer_id_fkey foreign key (customer_id)"
                    + " references customers on delete cascade");
          },
          () -> {
            migration.toApplication();
            migration.toForeignKey();
            assertThat(shop.count("select count(*) from pg_constraint where contype = 'f'"))
                .isEqualTo(1);
          },
          "create on schema pgbelay",
          "select on pgbelay.reconcile_run",
          "insert on pgbelay.reconcile_run",
          "update on pgbelay.reconcile_run",
          "select on pgbelay.reconcile_finding",
          "select on pgbelay.chunk_job",
          "insert on pgbelay.chunk_job",
          "update on pgbelay.chunk_job",
          "delete on pgbelay.chunk_job");
      DeleteCapture.of(shop.transactions, CASCADES).uninstall();
      shop.dsl.execute("grant create on schema pgbelay to " + role.name());
      shop.dsl.execute(own.formatted("customers") + owner);
      assertThatThrownBy(() -> DeleteCapture.of(transactions, CASCADES).install())
          .hasStackTraceContaining("permission denied for table customers");
    } finally {
      for (String table : List.of("customers", "orders")) {
        shop.dsl.execute(own.formatted(table) + owner);
      }
      DeleteCapture.of(shop.transactions, CASCADES).uninstall();
      shop.dsl.execute("alter table orders drop constraint if exists orders_customer_id_fkey");
    }
  }

  @Test
  void coverage_needsNothing() {
    assertThat(Coverage.builder(transactions, CASCADES).build().read().columns()).isNotEmpty();
  }

  @Test
  void retention() {
    role.assertNeeds(
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
