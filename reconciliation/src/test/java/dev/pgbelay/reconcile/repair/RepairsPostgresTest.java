package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.repair.RepairReport.OfDeclaration;
import dev.pgbelay.reconcile.repair.RepairReport.Outcome;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Repairs change what is wrong, nothing else, and leave enough to put it back. */
class RepairsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void corrupt() {
    shop.customers(20);
    shop.dsl.execute("delete from customers where id in (7, 8)");
    shop.dsl.execute("update orders set total = 5.5 where id = 9");
    shop.dsl.execute("update orders set status = 'canceled' where id in (10, 11)");
    check();
  }

  private void check() {
    Checker.builder(shop.transactions, ShopFixture.ALL).build().run();
  }

  private Repairs.Builder repairs() {
    return Repairs.builder(shop.transactions, ShopFixture.ALL);
  }

  private OfDeclaration repair(String declaration, RepairPolicy policy) {
    return of(repairs().policy(declaration, policy).build().run(), declaration);
  }

  private static OfDeclaration of(RepairReport report, String declaration) {
    return report.declarations().stream()
        .filter(each -> each.declaration().equals(declaration))
        .findFirst()
        .orElseThrow();
  }

  /** Every byte of the three tables. */
  private String contents() {
    return shop.dsl
        .fetchValue(
            "select string_agg(r, chr(10) order by r) from ("
                + "select 'c' || c::text as r from customers c union all"
                + " select 'o' || o::text from orders o union all select 'l' || l::text from lines l) x")
        .toString();
  }

  private int confirmed(String declaration) {
    return shop.count(
        "select count(*) from pgbelay.reconcile_finding where declaration = ? and state = 'CONFIRMED'",
        declaration);
  }

  @Test
  void withoutPolicy_nothingIsChanged() {
    String before = contents();
    RepairReport report = repairs().build().run();
    assertThat(report.declarations())
        .allSatisfy(each -> assertThat(each.outcome()).isEqualTo(Outcome.REPORTED));
    assertThat(contents()).isEqualTo(before);
  }

  @Test
  void dryRun_countsWithSamples_andChangesNothing() {
    String before = contents();
    shop.dsl.execute("insert into customers values (7, 'back')");
    String now = contents();
    OfDeclaration plan =
        of(
            repairs().policy("order-customer", RepairPolicy.delete()).build().dryRun(),
            "order-customer");
    assertThat(plan.open()).isEqualTo(2);
    assertThat(plan.repaired()).isEqualTo(1);
    assertThat(plan.gone()).isEqualTo(1);
    assertThat(plan.samples()).hasSize(2);
    assertThat(now).isNotEqualTo(before);
    assertThat(contents()).isEqualTo(now);
    assertThat(confirmed("order-customer")).isEqualTo(2);
  }

  @Test
  void everyPolicy_restoresTheRule_andUndoRestoresEveryByte() {
    for (RepairPolicy policy :
        new RepairPolicy[] {
          RepairPolicy.quarantine(),
          RepairPolicy.delete(),
          RepairPolicy.setNull(),
          RepairPolicy.createParent(Map.of(field(name("name")), "placeholder"))
        }) {
      String before = contents();
      RepairReport report =
          repairs()
              .policy("order-customer", policy)
              .policy("order-total", RepairPolicy.recompute())
              .policy(
                  "order-status",
                  RepairPolicy.custom(
                      (tx, finding) ->
                          tx.dsl()
                              .update(ShopFixture.ORDERS)
                              .set(ShopFixture.STATUS, "cancelled")
                              .where(ShopFixture.STATUS.eq("canceled"))
                              .execute()))
              .build()
              .run();
      assertThat(report.declarations())
          .as("%s", policy)
          .allSatisfy(each -> assertThat(each.outcome()).isEqualTo(Outcome.DONE));
      assertThat(Checker.builder(shop.transactions, ShopFixture.ALL).build().run().isClean())
          .isTrue();
      assertThat(shop.count("select count(*) from orders where id = 9 and total = 20.00"))
          .isEqualTo(1);
      // The custom repair of the first finding mended the second as well, unseen by its undo.
      shop.dsl.execute("update orders set status = 'canceled' where id = 11");
      UndoLog.Undone undone = UndoLog.of(shop.transactions).undo(report.batch());
      assertThat(undone.conflicts()).as("%s", policy).isEmpty();
      assertThat(contents()).as("%s", policy).isEqualTo(before);
      assertThat(UndoLog.of(shop.transactions).undo(report.batch()).restored()).isZero();
      check();
      assertThat(confirmed("order-customer")).isEqualTo(2);
    }
  }

  @Test
  void undo_leavesAloneWhatWasChangedSince() {
    RepairReport report =
        repairs()
            .policy("order-customer", RepairPolicy.delete())
            .policy("order-total", RepairPolicy.recompute())
            .build()
            .run();
    shop.dsl.execute("insert into orders values (7, 1, 'paid', 20)");
    shop.dsl.execute("update orders set status = 'open' where id = 9");
    UndoLog.Undone undone = UndoLog.of(shop.transactions).undo(report.batch());
    assertThat(undone.restored()).isEqualTo(1);
    assertThat(undone.conflicts()).hasSize(2);
    assertThat(shop.count("select count(*) from orders where id = 9 and total = 20")).isEqualTo(1);
    assertThat(shop.count("select count(*) from orders where id = 7 and customer_id = 1"))
        .isEqualTo(1);
  }

  @Test
  void moreThanTheCeiling_repairsNone() {
    String before = contents();
    RepairReport report =
        repairs().policy("order-customer", RepairPolicy.delete()).ceiling(1).build().run();
    assertThat(of(report, "order-customer").outcome()).isEqualTo(Outcome.ABOVE_CEILING);
    assertThat(contents()).isEqualTo(before);
  }

  @Test
  void whatTheApplicationMendedMeanwhile_isLeftAlone() {
    shop.dsl.execute("insert into customers values (7, 'back')");
    OfDeclaration report = repair("order-customer", RepairPolicy.delete());
    assertThat(report.repaired()).isEqualTo(1);
    assertThat(report.gone()).isEqualTo(1);
    assertThat(shop.count("select count(*) from orders where id = 7")).isEqualTo(1);
  }

  @Test
  void mendedWhileTheRepairWaitsForItsRow_isLeftAlone() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session app = script.session("app");
      Interleaving.Session repair = script.session("repair");
      app.run(
          c -> {
            c.createStatement().execute("update orders set customer_id = 1 where id in (7, 8)");
          });
      Interleaving.Step<OfDeclaration> step =
          repair.startOwn(
              "repair",
              () ->
                  of(
                      Repairs.builder(
                              dev.pgbelay.core.Transactions.of(repair.dataSource()),
                              ShopFixture.ALL)
                          .policy("order-customer", RepairPolicy.delete())
                          .lockTimeout(java.time.Duration.ofMinutes(1))
                          .repairTimeout(java.time.Duration.ofMinutes(1))
                          .build()
                          .run(),
                      "order-customer"));
      step.awaitBlockedBy(app);
      app.commit();
      assertThat(step.get().gone()).isEqualTo(2);
    }
    assertThat(shop.count("select count(*) from orders where id in (7, 8)")).isEqualTo(2);
  }

  @Test
  void valueThatIsAddedToDuringTheRecompute_isNotLost() throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session app = script.session("app");
      Interleaving.Session repair = script.session("repair");
      app.run(
          c -> {
            c.createStatement().execute("insert into lines values (1000, 9, 7.00)");
            c.createStatement().execute("update orders set total = total + 7.00 where id = 9");
          });
      Interleaving.Step<OfDeclaration> step =
          repair.startOwn(
              "repair",
              () ->
                  of(
                      Repairs.builder(
                              dev.pgbelay.core.Transactions.of(repair.dataSource()),
                              ShopFixture.ALL)
                          .policy("order-total", RepairPolicy.recompute())
                          .lockTimeout(java.time.Duration.ofMinutes(1))
                          .repairTimeout(java.time.Duration.ofMinutes(1))
                          .build()
                          .run(),
                      "order-total"));
      step.awaitBlockedBy(app);
      app.commit();
      assertThat(step.get().repaired()).isEqualTo(1);
    }
    assertThat(shop.count("select count(*) from orders where id = 9 and total = 27.00"))
        .isEqualTo(1);
  }

  @Test
  void repairThatDoesNotMend_isRolledBack_andTheOthersGoOn() {
    String before = contents();
    OfDeclaration report =
        repair(
            "order-status",
            RepairPolicy.custom(
                (tx, finding) ->
                    tx.dsl()
                        .execute(
                            "update orders set status = 'cancel'" + " where status = 'canceled'")));
    assertThat(report.outcome()).isEqualTo(Outcome.FAILURES);
    assertThat(report.failed()).isEqualTo(2);
    assertThat(report.failures().get(0)).contains("CUSTOM");
    assertThat(contents()).isEqualTo(before);
    assertThat(confirmed("order-status")).isEqualTo(2);
  }

  @Test
  void callbackThatThrows_rollsItsRepairBack_withItsUndo() {
    String before = contents();
    RepairReport report =
        repairs()
            .policy("order-customer", RepairPolicy.delete())
            .afterEach(
                (tx, finding) -> {
                  throw new IllegalStateException("no");
                })
            .build()
            .run();
    assertThat(of(report, "order-customer").failed()).isEqualTo(2);
    assertThat(contents()).isEqualTo(before);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isZero();
  }

  @Test
  void undo_restoresEveryByteOfAwkwardTypes() {
    shop.dsl.execute(
        "create table awkward (id bigint generated always as identity primary key, customer_id bigint,"
            + " j json, n numeric, f double precision, b bytea, t timestamptz, a text[], s text,"
            + " twice bigint generated always as (customer_id * 2) stored)");
    shop.dsl.execute("create index on awkward (customer_id)");
    shop.dsl.execute(
        "insert into awkward (customer_id, j, n, f, b, t, a, s) values"
            + " (99, '{\"b\":1,  \"a\":2, \"a\": 3}', 1.500, 0.1::float8 + 0.2::float8, '\\x00ff5c',"
            + " '2026-03-29 01:30:00.123456+00', array['x,\"y\"', null, 'NULL', ''], E'q\"''\\\\(,)\\n'),"
            + " (99, null, 'NaN', '-Infinity', '', 'infinity', '{}', '')");
    Reference reference =
        Reference.builder("awkward-customer")
            .child(table(name("awkward")), field(name("customer_id")))
            .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
            .build();
    Declarations declarations = Declarations.of("1", reference);
    for (RepairPolicy policy :
        new RepairPolicy[] {RepairPolicy.quarantine(), RepairPolicy.setNull()}) {
      Checker.builder(shop.transactions, declarations).build().run();
      Object before = awkward();
      RepairReport report =
          Repairs.builder(shop.transactions, declarations)
              .policy("awkward-customer", policy)
              .build()
              .run();
      assertThat(report.declarations().get(0).repaired()).isEqualTo(2);
      assertThat(awkward()).isNotEqualTo(before);
      assertThat(UndoLog.of(shop.transactions).undo(report.batch()).conflicts()).isEmpty();
      assertThat(awkward()).as("%s", policy).isEqualTo(before);
    }
    RepairReport report =
        Repairs.builder(shop.transactions, declarations)
            .policy("awkward-customer", RepairPolicy.delete())
            .build()
            .run();
    shop.dsl.execute("alter table awkward add column more int");
    assertThat(UndoLog.of(shop.transactions).undo(report.batch()).conflicts())
        .hasSize(2)
        .allSatisfy(text -> assertThat(text).contains("other columns"));
  }

  private Object awkward() {
    return shop.dsl.fetchValue("select string_agg(x::text, chr(10) order by id) from awkward x");
  }

  @Test
  void policyThatDoesNotApply_isRefused() {
    assertThatThrownBy(() -> repairs().policy("order-total", RepairPolicy.setNull()))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("order-total");
    assertThatThrownBy(() -> repairs().policy("nope", RepairPolicy.delete()))
        .hasMessageContaining("no such declaration");
  }
}
