package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.PassingDataSource;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** Processes whose sessions are set otherwise work on one table of findings, and on one queue. */
class ForeignSessionsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private static final class SetSessions extends PassingDataSource {
    private final String settings;

    SetSessions(String settings) {
      super(simple());
      this.settings = settings;
    }

    private static PGSimpleDataSource simple() {
      PGSimpleDataSource simple = new PGSimpleDataSource();
      simple.setUrl(postgres.jdbcUrl());
      return simple;
    }

    @Override
    protected Connection passed(Connection connection) throws SQLException {
      try (Statement statement = connection.createStatement()) {
        statement.execute(settings);
      }
      return connection;
    }
  }

  private static Transactions with(String settings) {
    return Transactions.of(new SetSessions(settings));
  }

  private Declarations parcels() {
    shop.dsl.execute("drop table if exists parcel");
    shop.dsl.execute(
        "create table parcel (id bigint, at timestamptz, customer_id bigint, primary key (id, at))");
    shop.dsl.execute("create index on parcel (customer_id)");
    shop.dsl.execute(
        "insert into parcel values (1, '2026-03-29 01:30:00.123456+00', 99), (2, 'infinity', 99),"
            + " (3, '0044-03-15 12:00:00+00 BC', 99)");
    return Declarations.of(
        "1",
        Reference.builder("parcel-customer")
            .child(table(name("parcel")), field(name("customer_id"), SQLDataType.BIGINT))
            .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
            .build());
  }

  @Test
  void keysWithTimes_areFindingsInEveryTimeZone() {
    Declarations parcels = parcels();
    CheckReport first =
        Checker.builder(with("set timezone = 'Europe/Berlin'"), parcels).build().run();
    assertThat(first.declarations().get(0).confirmed()).isEqualTo(3);
    CheckReport second =
        Checker.builder(with("set timezone = 'America/New_York'"), parcels).build().run();
    assertThat(second.declarations().get(0).resolved()).isZero();
    assertThat(second.declarations().get(0).open()).isEqualTo(3);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_finding")).isEqualTo(3);
  }

  @Test
  void runThatIsGoneOnWithInAnotherTimeZone_isNotClean() {
    Declarations parcels = parcels();
    CheckReport first =
        Checker.builder(with("set timezone = 'Europe/Berlin'"), parcels)
            .maxRows(2)
            .rangeRows(2, 2, 2)
            .build()
            .run();
    assertThat(first.declarations().get(0).outcome())
        .isEqualTo(DeclarationReport.Outcome.INCOMPLETE);
    CheckReport second =
        Checker.builder(with("set timezone = 'America/New_York'"), parcels).build().run();
    assertThat(second.declarations().get(0).outcome())
        .isEqualTo(DeclarationReport.Outcome.FINDINGS);
    assertThat(second.declarations().get(0).open()).isEqualTo(3);
  }

  @Test
  void undoInAnotherTimeZone_putsEveryRowBack() {
    Declarations parcels = parcels();
    Checker.builder(shop.transactions, parcels).build().run();
    Object before =
        shop.dsl.fetchValue("select string_agg(p::text, ',' order by id) from parcel p");
    for (RepairPolicy policy :
        new RepairPolicy[] {RepairPolicy.setNull(), RepairPolicy.quarantine()}) {
      RepairReport report =
          Repairs.builder(with("set timezone = 'Europe/Berlin'"), parcels)
              .policy("parcel-customer", policy)
              .build()
              .run();
      assertThat(report.declarations().get(0).repaired()).isEqualTo(3);
      assertThat(
              UndoLog.of(with("set timezone = 'America/New_York'"))
                  .undo(report.batch())
                  .conflicts())
          .isEmpty();
      assertThat(shop.dsl.fetchValue("select string_agg(p::text, ',' order by id) from parcel p"))
          .isEqualTo(before);
    }
  }

  @Test
  void rowsThatAPolicyHides_areNeitherCleanNorOrphans() {
    shop.customers(3);
    shop.dsl.execute("insert into orders values (9, 99, 'open', 0)");
    role();
    Transactions tenant = with("set role tenant");
    for (String hidden : new String[] {"orders", "customers"}) {
      shop.dsl.execute("alter table " + hidden + " enable row level security");
      shop.dsl.execute("create policy mine on " + hidden + " using (id = 1)");
      try {
        assertThatThrownBy(
                () ->
                    Checker.builder(
                            tenant, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
                        .build()
                        .run())
            .as(hidden)
            .isInstanceOf(DeclarationException.class)
            .hasMessageContaining(hidden)
            .hasMessageContaining("row");
      } finally {
        shop.dsl.execute("drop policy mine on " + hidden);
        shop.dsl.execute("alter table " + hidden + " disable row level security");
      }
    }
  }

  private void role() {
    shop.dsl.execute(
        "do $$ begin create role tenant; exception when duplicate_object then null; end $$");
    shop.dsl.execute("grant usage on schema pgbelay to tenant");
    shop.dsl.execute(
        "grant select, insert, update, delete on all tables in schema pgbelay, public to tenant");
  }

  @Test
  void childThatAPolicyHidesFromTheDeleter_isNotLeftBehindUnderRestrict() {
    shop.customers(3);
    role();
    DeleteCapture capture =
        DeleteCapture.of(
            shop.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE));
    capture.install();
    shop.dsl.execute("alter table orders enable row level security");
    shop.dsl.execute("create policy mine on orders using (id = 1)");
    try {
      assertThatThrownBy(
              () ->
                  with("set role tenant")
                      .execute(tx -> tx.dsl().execute("delete from customers where id = 3")))
          .hasMessageContaining("row");
      assertThat(shop.count("select count(*) from customers")).isEqualTo(3);
    } finally {
      shop.dsl.execute("drop policy mine on orders");
      shop.dsl.execute("alter table orders disable row level security");
      capture.uninstall();
    }
  }

  private static Declarations cascading() {
    return Declarations.of("1", ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build());
  }

  @Test
  void childrenThatAPolicyHidesFromTheWorker_keepTheDeleteInTheQueue() {
    shop.customers(3);
    role();
    DeleteCapture capture = DeleteCapture.of(shop.transactions, cascading());
    capture.install();
    shop.dsl.execute("alter table orders enable row level security");
    shop.dsl.execute("create policy mine on orders using (id = 1)");
    try {
      shop.dsl.execute("delete from customers where id = 3");
      Propagation worker = Propagation.builder(with("set role tenant"), cascading()).build();
      for (int k = 0; k < 5; k++) {
        worker.runOnce();
      }
      assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isEqualTo(1);
    } finally {
      shop.dsl.execute("drop policy mine on orders");
      shop.dsl.execute("alter table orders disable row level security");
      capture.uninstall();
    }
  }

  @Test
  void parentDeletedUnderRepeatableRead_whoseGuardedChildCameSince_isRefusedUnderRestrict()
      throws Exception {
    shop.customers(3);
    shop.dsl.execute("delete from orders where id = 3");
    DeleteCapture capture =
        DeleteCapture.of(
            shop.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE));
    capture.install();
    try (Connection deleter = postgres.dataSource().getConnection()) {
      deleter.setAutoCommit(false);
      deleter.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      var old = DSL.using(deleter, SQLDialect.POSTGRES);
      old.fetchValue("select count(*) from customers");
      shop.transactions.execute(
          tx -> {
            dev.pgbelay.reconcile.guard.ParentGuard.locked(ShopFixture.ORDER_CUSTOMER_REFERENCE)
                .check(tx, 3L);
            tx.dsl().execute("insert into orders values (33, 3, 'open', 0)");
          });
      assertThatThrownBy(() -> old.execute("delete from customers where id = 3"))
          .hasMessageContaining("order-customer");
      deleter.rollback();
      assertThatThrownBy(
              () ->
                  capture.capture(
                      dev.pgbelay.core.Tx.join(deleter),
                      "order-customer",
                      java.util.List.of(java.util.List.of(3L))))
          .hasMessageContaining("REPEATABLE READ");
      deleter.rollback();
      deleter.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      deleter.setAutoCommit(true);
    } finally {
      capture.uninstall();
    }
    assertThat(shop.count("select count(*) from customers")).isEqualTo(3);
  }

  @Test
  void parentThatCameBackWhileAChildWasWaitedFor_keepsIt_whateverTheSessionsIsolation()
      throws Exception {
    shop.customers(3);
    DeleteCapture capture = DeleteCapture.of(shop.transactions, cascading());
    capture.install();
    try (var script = dev.pgbelay.testing.Interleaving.of(postgres.dataSource())) {
      shop.dsl.execute("delete from customers where id = 3");
      var app = script.session("app");
      var worker = script.session("worker");
      app.run(c -> c.createStatement().execute("select from orders where id = 3 for update"));
      Propagation propagation =
          Propagation.builder(
                  Transactions.of(
                      new PassingDataSource(worker.dataSource()) {
                        @Override
                        protected Connection passed(Connection connection) throws SQLException {
                          try (Statement s = connection.createStatement()) {
                            s.execute("set default_transaction_isolation = 'repeatable read'");
                          }
                          return connection;
                        }
                      }),
                  cascading())
              .lockTimeout(Duration.ofMinutes(1))
              .chunkTimeout(Duration.ofMinutes(2))
              .build();
      propagation.runOnce();
      propagation.runOnce();
      var step = worker.startOwn("wait", propagation::runOnce);
      step.awaitBlockedBy(app);
      shop.dsl.execute("insert into customers values (3, 'back')");
      app.commit();
      step.get();
    } finally {
      capture.uninstall();
    }
    assertThat(shop.count("select count(*) from orders where id = 3")).isEqualTo(1);
  }

  @Test
  void deleteUnderAnEmptySearchPath_isCaptured() {
    shop.customers(3);
    shop.dsl.execute(
        "create or replace function is_live(timestamptz) returns boolean language sql as 'select $1 is null'");
    Declarations soft =
        Declarations.of(
            "1",
            ShopFixture.orderCustomer()
                .parentWhere(DSL.condition("is_live(deleted_at)"))
                .onDelete(OnDelete.cascade())
                .build());
    DeleteCapture capture = DeleteCapture.of(shop.transactions, soft);
    capture.install();
    try {
      with("set search_path = ''")
          .execute(
              tx ->
                  tx.dsl().execute("update public.customers set deleted_at = now() where id = 3"));
      assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isEqualTo(1);
    } finally {
      capture.uninstall();
    }
  }
}
