package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.guard.GuardedInserts;
import dev.pgbelay.reconcile.guard.MissingParentsException;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.jooq.SQLDialect;
import org.jooq.impl.DefaultConfiguration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/** Hazards of references without a foreign key that belong to no single part. */
class ReferenceHazardsPostgresTest {
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

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, CASCADES).uninstall();
    shop.dsl.execute("drop table if exists account, entry, event");
  }

  private static void sql(Connection connection, String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  private void propagate(Declarations declarations) {
    Propagation propagation = Propagation.builder(shop.transactions, declarations).build();
    int work;
    do {
      work = propagation.runOnce().work();
    } while (work > 0);
  }

  private static DeclarationReport check(Transactions transactions) {
    return Checker.builder(transactions, CASCADES).build().run("order-customer");
  }

  /** The guard first: the delete waits for the child, and takes it away afterwards. */
  @ParameterizedTest
  @ValueSource(strings = {"read committed", "repeatable read", "serializable"})
  void parentDeletedWhileAGuardedChildIsInserted_leavesNoOrphan(String isolation) throws Exception {
    shop.customers(5);
    DeleteCapture.of(shop.transactions, CASCADES).install();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session child = script.session("child");
      Interleaving.Session parent = script.session("parent");
      for (Interleaving.Session each : new Interleaving.Session[] {child, parent}) {
        each.run(c -> sql(c, "set transaction isolation level " + isolation));
        each.run(c -> sql(c, "select 1"));
      }
      child.run(c -> ParentGuard.locked(CASCADE).check(Tx.join(c), 3L));
      child.run(c -> sql(c, "insert into orders values (100, 3)"));
      Interleaving.Step<Boolean> delete =
          parent.start(
              "delete",
              c -> {
                sql(c, "delete from customers where id = 3");
                return true;
              });
      delete.awaitBlockedBy(child);
      child.commit();
      assertThat(delete.get()).isTrue();
      parent.commit();
    }
    assertThat(shop.count("select count(*) from orders where customer_id = 3")).isEqualTo(2);
    propagate(CASCADES);
    assertThat(shop.count("select count(*) from orders where customer_id = 3")).isZero();
    assertThat(check(shop.transactions).outcome()).isEqualTo(DeclarationReport.Outcome.CLEAN);
  }

  /**
   * The delete first: the guard waits for it, and then knows, or may not know from its snapshot.
   */
  @ParameterizedTest
  @ValueSource(strings = {"read committed", "repeatable read", "serializable"})
  void childGuardedWhileItsParentIsDeleted_isRefused(String isolation) throws Exception {
    shop.customers(5);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session child = script.session("child");
      Interleaving.Session parent = script.session("parent");
      child.run(c -> sql(c, "set transaction isolation level " + isolation));
      child.run(c -> sql(c, "select 1"));
      parent.run(c -> sql(c, "delete from customers where id = 3"));
      Interleaving.Step<Boolean> guard =
          child.start(
              "guard",
              c -> {
                ParentGuard.locked(CASCADE).check(Tx.join(c), 3L);
                return true;
              });
      guard.awaitBlockedBy(parent);
      parent.commit();
      Throwable refused = guard.failure();
      if (isolation.equals("read committed")) {
        assertThat(refused).isInstanceOf(MissingParentsException.class);
      } else {
        assertThat(refused).hasStackTraceContaining("could not serialize access");
      }
      child.rollback();
    }
  }

  @Test
  void childrenThatComeByCopy_areNotSeenByTheListener_andFoundByTheChecker() {
    shop.customers(5);
    Transactions guarded =
        Transactions.builder(postgres.dataSource())
            .configuration(
                new DefaultConfiguration()
                    .set(SQLDialect.POSTGRES)
                    .set(GuardedInserts.into(CASCADE)))
            .build();
    assertThatThrownBy(
            () ->
                guarded.execute(
                    tx ->
                        tx.dsl()
                            .insertInto(
                                ShopFixture.ORDERS,
                                ShopFixture.ORDER_ID,
                                ShopFixture.ORDER_CUSTOMER)
                            .values(100L, 77L)
                            .execute()))
        .hasStackTraceContaining("order-customer");
    guarded.execute(
        tx ->
            tx.dsl()
                .connection(
                    connection ->
                        connection
                            .unwrap(PGConnection.class)
                            .getCopyAPI()
                            .copyIn(
                                "copy orders (id, customer_id) from stdin",
                                new StringReader("100\t77\n"))));
    DeclarationReport report = check(guarded);
    assertThat(report.open()).as("%s", report).isEqualTo(1);
  }

  @Test
  void childWithAPartOfItsKeyNull_refersToNothing_andStaysWhenTheParentGoes() {
    shop.dsl.execute("create table account (tenant int, code text, primary key (tenant, code))");
    shop.dsl.execute("create table entry (id int primary key, tenant int, code text)");
    shop.dsl.execute("create index on entry (tenant, code)");
    shop.dsl.execute("insert into account values (1, 'a')");
    shop.dsl.execute("insert into entry values (1, 1, 'a'), (2, 1, null), (3, null, 'a')");
    Declarations composite =
        Declarations.of(
            "1",
            Reference.builder("entry-account")
                .child(table(name("entry")), field(name("tenant")), field(name("code")))
                .parent(table(name("account")), field(name("tenant")), field(name("code")))
                .onDelete(OnDelete.cascade())
                .build());
    DeleteCapture.of(shop.transactions, composite).install();
    shop.dsl.execute("delete from account");
    propagate(composite);
    assertThat(shop.dsl.fetchValue("select string_agg(id::text, ',' order by id) from entry"))
        .isEqualTo("2,3");
  }

  /** What a trigger writes, an event of an outbox for one, belongs to the repair. */
  @Test
  void triggersOfRepairedRows_fireOnceForEach_andNotForWhatIsRolledBack() {
    shop.customers(5);
    shop.dsl.execute("delete from customers where id in (2, 3)");
    shop.dsl.execute("create table event (what text)");
    shop.dsl.execute(
        "create or replace function tell() returns trigger language plpgsql as"
            + " $$ begin insert into event values (tg_op || ' ' || coalesce(old.id, new.id));"
            + " return null; end $$");
    shop.dsl.execute(
        "create trigger tell after insert or delete on orders for each row execute function tell()");
    try {
      assertThat(check(shop.transactions).open()).isEqualTo(2);
      RepairReport report =
          Repairs.builder(shop.transactions, CASCADES)
              .policy("order-customer", RepairPolicy.quarantine())
              .afterEach(
                  (tx, finding) -> {
                    if (finding.rowKey().data().contains("3")) {
                      throw new IllegalStateException("not this one");
                    }
                  })
              .build()
              .run();
      assertThat(report.declarations().get(0).repaired()).isEqualTo(1);
      assertThat(events()).isEqualTo("DELETE 2");
      UndoLog.of(shop.transactions).undo(report.batch());
      assertThat(events()).isEqualTo("DELETE 2,INSERT 2");
    } finally {
      shop.dsl.execute("drop trigger tell on orders");
    }
  }

  private String events() {
    return String.valueOf(
        shop.dsl.fetchValue("select string_agg(what, ',' order by what) from event"));
  }
}
