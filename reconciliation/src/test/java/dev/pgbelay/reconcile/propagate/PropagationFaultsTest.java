package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Conditions, circles, other workers and failures of the propagation. */
class PropagationFaultsTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private Declarations declarations = Declarations.of("0");

  private static Reference.Builder orders() {
    return ShopFixture.orderCustomer().onDelete(OnDelete.cascade());
  }

  private Propagation capture(Reference reference) {
    declarations = Declarations.of("1", reference);
    DeleteCapture.of(shop.transactions, declarations).install();
    return Propagation.builder(shop.transactions, declarations)
        .lockTimeout(Duration.ofMillis(50))
        .build();
  }

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
  }

  @Test
  void softDeletedParent_isGone_andChildrenThatNeedNone_stay() {
    shop.customers(4);
    shop.dsl.execute("insert into orders values (20, 2, 'cancelled')");
    Propagation worker =
        capture(
            orders()
                .parentWhere(field(name("customers", "deleted_at")).isNull())
                .childWhere(ShopFixture.STATUS.ne("cancelled"))
                .build());
    shop.dsl.execute("update customers set name = 'x'");
    assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isZero();
    shop.dsl.execute("update customers set deleted_at = now() where id = 2");
    Drain.within(100, worker);
    assertThat(shop.dsl.fetch("select id from orders order by id").getValues(0, Integer.class))
        .containsExactly(1, 3, 4, 20);
  }

  @Test
  void tableThatRefersToItself_isCascadedDownToTheLeaves() {
    shop.dsl.execute("drop table if exists node");
    shop.dsl.execute("create table node (id int primary key, above int)");
    shop.dsl.execute("create index on node (above)");
    shop.dsl.execute("insert into node select g, nullif(g - 1, 0) from generate_series(1, 8) g");
    Propagation worker =
        capture(
            Reference.builder("node-above")
                .child(table(name("node")), field(name("above")))
                .parent(table(name("node")), field(name("id")))
                .onDelete(OnDelete.cascade())
                .build());
    shop.dsl.execute("delete from node where id = 3");
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from node")).isEqualTo(2);
  }

  @Test
  void treeThatIsLargerThanConfirmed_isHeldWithAllOfItsRows_andConfirmedOnce() {
    shop.dsl.execute("drop table if exists remark, node");
    shop.dsl.execute("create table node (id int primary key, above int, kept bool default false)");
    shop.dsl.execute("create table remark (id int primary key, node_id int)");
    shop.dsl.execute("create index on node (above)");
    shop.dsl.execute("create index on remark (node_id)");
    // a chain, a branch that does not count, and a circle
    shop.dsl.execute("insert into node select g, nullif(g - 1, 0) from generate_series(1, 16) g");
    shop.dsl.execute("insert into node values (50, 10, true), (60, 61, false), (61, 60, false)");
    shop.dsl.execute("insert into remark select g, g from generate_series(1, 60) g");
    Reference above =
        Reference.builder("node-above")
            .child(table(name("node")), field(name("above")))
            .parent(table(name("node")), field(name("id")))
            .childWhere(field(name("kept"), SQLDataType.BOOLEAN).isFalse())
            .onDelete(OnDelete.cascade())
            .build();
    Reference remark =
        Reference.builder("remark-node")
            .child(table(name("remark")), field(name("node_id")))
            .parent(table(name("node")), field(name("id")))
            .onDelete(OnDelete.cascade())
            .build();
    declarations = Declarations.of("1", above, remark);
    DeleteCapture.of(shop.transactions, declarations).install();
    Propagation worker =
        Propagation.builder(shop.transactions, declarations).confirmAbove(10).build();
    assertThat(worker.plan("node-above", 60).rows())
        .isEqualTo(Map.of("node-above", 2L, "remark-node", 1L));
    assertThat(worker.plan("node-above", 15).rows())
        .isEqualTo(Map.of("node-above", 1L, "remark-node", 1L));
    assertThat(worker.plan("node-above", 3).rows())
        .isEqualTo(Map.of("node-above", 13L, "remark-node", 13L));
    shop.dsl.execute("delete from node where id = 3");
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from node")).isEqualTo(18);
    PropagationPlan held =
        worker.open(10).stream()
            .filter(each -> each.reference().equals("node-above"))
            .findFirst()
            .orElseThrow();
    assertThat(held.heldBecause().orElseThrow()).contains("more than 10 rows");
    worker.confirm(held.id());
    Drain.within(1_000, worker);
    assertThat(worker.open(10)).isEmpty();
    assertThat(shop.dsl.fetch("select id from node order by id").getValues(0, Integer.class))
        .containsExactly(1, 2, 50, 60, 61);
    assertThat(shop.count("select count(*) from remark where node_id between 3 and 16")).isZero();
  }

  @Test
  void deleteThatAnotherWorkerHas_isLeftToHim() throws Exception {
    shop.customers(2);
    Propagation worker = capture(orders().build());
    shop.dsl.execute("delete from customers where id = 1");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session other = script.session("other");
      other.run(
          c -> {
            try (Statement statement = c.createStatement()) {
              statement.execute("select from pgbelay.reconcile_deleted for update");
            }
          });
      assertThat(worker.runOnce().work()).isZero();
      assertThat(shop.count("select count(*) from orders")).isEqualTo(2);
      other.rollback();
    }
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(1);
  }

  @Test
  void graceOfTheReference_delaysTheCleanUp() {
    shop.customers(2);
    Propagation worker = capture(orders().grace(Duration.ofHours(1)).build());
    shop.dsl.execute("delete from customers where id = 1");
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(2);
    assertThat(
            shop.count(
                "select count(*) from pgbelay.reconcile_deleted"
                    + " where due_at > clock_timestamp() + interval '59 minutes'"))
        .isEqualTo(1);
  }

  @Test
  void failingRule_leavesNothingHalfDone_waits_andIsHeldWithItsError() {
    shop.customers(2);
    Propagation worker =
        capture(
            orders()
                .onDelete(
                    OnDelete.custom(
                        (tx, reference, children) -> {
                          tx.dsl().deleteFrom(reference.child()).where(children).execute();
                          throw new IllegalStateException("no luck");
                        }))
                .build());
    shop.dsl.execute("delete from customers where id = 1");
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(2);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isZero();
    assertThat(shop.count("select attempts from pgbelay.reconcile_deleted")).isEqualTo(1);
    shop.dsl.execute(
        "update pgbelay.reconcile_deleted set attempts = 19, due_at = clock_timestamp()");
    Drain.within(100, worker);
    assertThat(worker.open(10).get(0).heldBecause().orElseThrow()).contains("no luck");
  }

  @Test
  void deletesThatNoTriggerSees_areFoundByTheChecker() {
    shop.dsl.execute("drop table if exists acct, entry");
    shop.dsl.execute("create table acct (id int primary key) partition by list (id)");
    shop.dsl.execute("create table acct_1 partition of acct for values in (1)");
    shop.dsl.execute("create table acct_2 partition of acct for values in (2)");
    shop.dsl.execute("create table entry (id int primary key, acct int)");
    shop.dsl.execute("create index on entry (acct)");
    shop.dsl.execute("insert into acct values (1), (2)");
    shop.dsl.execute("insert into entry values (10, 1), (20, 2)");
    Propagation worker =
        capture(
            Reference.builder("entry-acct")
                .child(table(name("entry")), field(name("acct")))
                .parent(table(name("acct")), field(name("id")))
                .onDelete(OnDelete.cascade())
                .build());
    shop.dsl.execute("alter table acct detach partition acct_1");
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("set local session_replication_role = replica");
          tx.dsl().execute("delete from acct where id = 2");
        });
    Drain.within(100, worker);
    assertThat(shop.count("select count(*) from entry")).isEqualTo(2);
    Checker.builder(shop.transactions, declarations).build().run();
    assertThat(
            shop.count("select count(*) from pgbelay.reconcile_finding where state = 'CONFIRMED'"))
        .isEqualTo(2);
  }
}
