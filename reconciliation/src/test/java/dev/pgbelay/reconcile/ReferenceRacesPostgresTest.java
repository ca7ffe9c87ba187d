package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.guard.MissingParentsException;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A parent goes while its child comes, in both orders; and children that never had one. */
class ReferenceRacesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Reference CASCADE =
      ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build();
  private static final Declarations CASCADES = Declarations.of("1", CASCADE);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, CASCADES).uninstall();
    shop.dsl.execute("drop table if exists account, entry");
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

  private DeclarationReport check() {
    return Checker.builder(shop.transactions, CASCADES).build().run("order-customer");
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
    assertThat(check().outcome()).isEqualTo(DeclarationReport.Outcome.CLEAN);
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
}
