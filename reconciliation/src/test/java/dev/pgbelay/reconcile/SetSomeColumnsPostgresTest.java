package dev.pgbelay.reconcile;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.TenantFixture.ACCOUNT;
import static dev.pgbelay.reconcile.TenantFixture.INVOICES;
import static dev.pgbelay.reconcile.TenantFixture.TENANT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Drain;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A child loses its parent, and keeps the column that may not be NULL: its tenant. */
class SetSomeColumnsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(TenantFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private Declarations rules = rules(OnDelete.setNull(ACCOUNT));

  private static Declarations rules(OnDelete onDelete) {
    return Declarations.of("1", TenantFixture.invoiceAccount().onDelete(onDelete).build());
  }

  @BeforeEach
  void tenants() {
    TenantFixture.fill(shop.dsl);
  }

  @AfterEach
  void withoutTriggers() {
    DeleteCapture.of(shop.transactions, rules).uninstall();
  }

  private Propagation worker() {
    return Propagation.builder(shop.transactions, rules).chunk(2).dutyPercent(100).build();
  }

  private String invoicesOf(int tenant, @Nullable String account) {
    return String.valueOf(
        shop.dsl.fetchValue(
            "select string_agg(id::text, ',' order by id) from invoices where tenant = ? and"
                + " account_id is not distinct from cast(? as int)",
            tenant,
            account));
  }

  private UUID batch() {
    return (UUID) shop.dsl.fetchValue("select distinct batch from pgbelay.reconcile_undo");
  }

  @Test
  void columnsThatMayNotBeNull_areRefusedAtTheStart_unlessTheyAreLeftOut() {
    for (OnDelete each :
        List.of(OnDelete.setNull(), OnDelete.setNull(TENANT), OnDelete.setNull(ACCOUNT, TENANT))) {
      assertRefused(
          () -> rules(each).requireMatching(shop.transactions),
          "'invoice-account'",
          "would set tenant to NULL",
          "name the others of the columns that refer");
    }
    assertRefused(
        () -> rules(OnDelete.setDefault()).requireMatching(shop.transactions),
        "SET_DEFAULT would set tenant to NULL");
    rules.requireMatching(shop.transactions);
    rules(OnDelete.setDefault(ACCOUNT)).requireMatching(shop.transactions);
  }

  @Test
  void deletedParent_isTakenFromItsChildren_whichKeepTheOtherColumns_andUndoPutsItBack() {
    DeleteCapture.of(shop.transactions, rules).install();
    String before = TenantFixture.invoices(shop.dsl);
    shop.dsl.execute("delete from accounts where tenant = 1 and id = 4");
    Drain.within(20, worker());
    assertThat(invoicesOf(1, null)).isEqualTo("112,113,114");
    assertThat(invoicesOf(2, "4")).as("another tenant's").isEqualTo("212,213,214");
    assertThat(shop.count("select count(*) from invoices where account_id is null")).isEqualTo(3);
    assertThat(shop.count("select count(*) from invoices where tenant = 1")).isEqualTo(30);
    CheckReport report = Checker.builder(shop.transactions, rules).build().run();
    assertThat(report.isClean()).as("%s", report).isTrue();
    assertThat(UndoLog.of(shop.transactions).undo(batch()).restored()).isEqualTo(3);
    assertThat(TenantFixture.invoices(shop.dsl)).isEqualTo(before);
  }

  @Test
  void defaultOfSomeColumns_leavesTheOthers() {
    rules = rules(OnDelete.setDefault(ACCOUNT));
    DeleteCapture.of(shop.transactions, rules).install();
    String before = TenantFixture.invoices(shop.dsl);
    shop.dsl.execute("delete from accounts where tenant = 2 and id = 4");
    Drain.within(20, worker());
    assertThat(invoicesOf(2, "0")).isEqualTo("200,201,202,212,213,214");
    assertThat(UndoLog.of(shop.transactions).undo(batch()).restored()).isEqualTo(3);
    assertThat(TenantFixture.invoices(shop.dsl)).isEqualTo(before);
  }

  /** What is not set is still there: whoever refers to it has lost nothing. */
  @Test
  void referencesToAColumnThatStays_areNotCaptured() {
    rules =
        Declarations.of(
            "1",
            TenantFixture.invoiceAccount().onDelete(OnDelete.setNull(ACCOUNT)).build(),
            Reference.builder("label-tenant")
                .child(table(name("labels")), field(name("tenant")))
                .parent(INVOICES, TENANT)
                .onDelete(OnDelete.cascade())
                .build());
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("delete from accounts where tenant = 1 and id = 4");
          DeleteCapture.of(shop.transactions, rules)
              .capture(tx, "invoice-account", List.of(List.of(1, 4)));
        });
    Propagation worker = worker();
    for (int chunk = 0; chunk < 20 && worker.runOnce().work() > 0; chunk++) {
      assertThat(
              shop.count(
                  "select count(*) from pgbelay.reconcile_deleted where reference = 'label-tenant'"))
          .isZero();
    }
    assertThat(invoicesOf(1, null)).isEqualTo("112,113,114");
    assertThat(shop.count("select count(*) from labels")).isEqualTo(2);
  }

  private RepairReport repaired(RepairPolicy policy) {
    shop.dsl.execute("delete from accounts where tenant = 1 and id = 4");
    Checker.builder(shop.transactions, rules).build().run();
    return Repairs.builder(shop.transactions, rules)
        .policy("invoice-account", policy)
        .build()
        .run();
  }

  @Test
  void repair_setsWhatTheDeclarationSets_andUndoPutsItBack() {
    String before = TenantFixture.invoices(shop.dsl);
    RepairReport report = repaired(RepairPolicy.setNull());
    assertThat(report.declarations().get(0).repaired()).as("%s", report).isEqualTo(3);
    assertThat(invoicesOf(1, null)).isEqualTo("112,113,114");
    assertThat(UndoLog.of(shop.transactions).undo(report.batch()).restored()).isEqualTo(3);
    assertThat(TenantFixture.invoices(shop.dsl)).isEqualTo(before);
  }

  @Test
  void repair_setsWhatItsPolicyNames_whateverTheDeclarationDoes() {
    rules = rules(OnDelete.restrict());
    String before = TenantFixture.invoices(shop.dsl);
    assertRefused(() -> repaired(RepairPolicy.setNull()), "[tenant]", "NOT NULL");
    assertRefused(() -> repaired(RepairPolicy.setNull(ACCOUNT, TENANT)), "[tenant]", "NOT NULL");
    RepairReport report = repaired(RepairPolicy.setNull(ACCOUNT));
    assertThat(report.declarations().get(0).repaired()).as("%s", report).isEqualTo(3);
    assertThat(invoicesOf(1, null)).isEqualTo("112,113,114");
    assertThat(UndoLog.of(shop.transactions).undo(report.batch()).restored()).isEqualTo(3);
    assertThat(TenantFixture.invoices(shop.dsl)).isEqualTo(before);
  }
}
