package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.ChangedShop.REFERENCE;
import static dev.pgbelay.reconcile.check.ChangedShop.assertFullBecause;
import static dev.pgbelay.reconcile.check.ChangedShop.assertRead;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.FULL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.INCREMENTAL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DeclarationException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import org.assertj.core.api.Assertions;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What incremental runs need of the schema: triggers that saw every delete, columns, indexes. */
class IncrementalDeletesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChangedShop.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void fill() {
    shop.customers(1_000);
    capture(REFERENCE).install();
    shop.dsl.execute("truncate pgbelay.reconcile_deleted");
  }

  private DeleteCapture capture(Reference reference) {
    return DeleteCapture.of(shop.transactions, Declarations.of("1", reference));
  }

  private DeclarationReport check(Declaration declaration) {
    return Checker.builder(shop.transactions, Declarations.of("1", declaration))
        .incremental(Duration.ofDays(1))
        .overlap(Duration.ZERO)
        .throttle(List.of())
        .build()
        .run(declaration.name());
  }

  @Test
  void childrenOfDeletedParents_areSeen_thoughTheyHaveNotChanged() {
    check(REFERENCE);
    shop.dsl.execute("delete from customers where id between 1 and 250");
    assertRead(check(REFERENCE), INCREMENTAL, 250, 250);
  }

  @Test
  void withoutTriggersOnTheParent_withNewOnes_andAfterTruncate_everyRowIsRead() {
    check(REFERENCE);
    capture(REFERENCE).uninstall();
    shop.dsl.execute("delete from customers where id = 7");
    capture(REFERENCE).install();
    DeclarationReport reinstalled = check(REFERENCE);
    assertFullBecause(reinstalled, "installed or enabled");
    assertThat(reinstalled.open()).isEqualTo(1);
    capture(REFERENCE).uninstall();
    assertFullBecause(check(REFERENCE), "DeleteCapture.install");
    capture(REFERENCE).install();
    check(REFERENCE);
    assertThat(check(REFERENCE).mode()).isEqualTo(INCREMENTAL);
    shop.dsl.execute("truncate customers");
    DeclarationReport truncated = check(REFERENCE);
    assertFullBecause(truncated, "truncated");
    assertThat(truncated.open()).isEqualTo(1_000);
  }

  @Test
  void columnThatCannotTell_isRefused_withTheIndexItWants() {
    shop.dsl.execute(
        "create table visit (id bigint primary key, seen timestamp not null, at timestamptz)");
    for (String column : new String[] {"seen", "at", "nope"}) {
      Assertions.assertThatThrownBy(
              () ->
                  check(
                      Invariant.everyRow("visits", DSL.table(name("visit")), DSL.trueCondition())
                          .withChangedAt(field(name("visit", column)))))
          .isInstanceOf(DeclarationException.class)
          .hasMessageContaining(column);
    }
    shop.dsl.execute("alter table visit alter at set not null");
    shop.dsl.execute("create index on visit (id, at)");
    Invariant visits =
        Invariant.everyRow("visits", DSL.table(name("visit")), DSL.trueCondition())
            .withChangedAt(field(name("visit", "at")));
    Assertions.assertThatThrownBy(() -> check(visits))
        .hasMessageContaining("CREATE INDEX CONCURRENTLY ON public.visit (\"at\", \"id\")");
    shop.dsl.execute("create index on visit (at, id)");
    assertThat(check(visits).outcome()).isEqualTo(CLEAN);
  }

  /** Nobody saw who deleted meanwhile, however whole the triggers look afterwards. */
  @Test
  void triggerThatWasDisabledBetweenTwoRuns_makesTheNextRunFull() {
    assertRead(check(REFERENCE), FULL, 1_000, 0);
    assertRead(check(REFERENCE), INCREMENTAL, 0, 0);
    for (String way :
        List.of(
            "delete from customers where id = 7", "update customers set id = 7000 where id = 8")) {
      shop.dsl.execute("alter table customers disable trigger user");
      shop.dsl.execute(way);
      shop.dsl.execute("alter table customers enable trigger user");
      assertFullBecause(check(REFERENCE), "installed or enabled");
      assertThat(check(REFERENCE).mode()).isEqualTo(INCREMENTAL);
    }
    assertRead(check(REFERENCE), INCREMENTAL, 0, 2);
    shop.dsl.execute("alter table customers disable trigger user");
    assertFullBecause(check(REFERENCE), "one is disabled");
  }

  /** Between runs a partition took its rows with it, and no trigger fired. */
  @Test
  void partitionThatWasDetachedBetweenTwoRuns_makesTheNextRunFull() {
    shop.dsl.execute(
        "create table account (id bigint primary key) partition by range (id);"
            + " create table account_1 partition of account for values from (0) to (100);"
            + " create table account_2 partition of account for values from (100) to (200);"
            + " insert into account values (7), (107)");
    Reference account =
        Reference.builder("order-account")
            .child(ShopFixture.ORDERS, ShopFixture.ORDER_CUSTOMER)
            .parent(
                DSL.table(name("account")),
                field(name("account", "id"), ShopFixture.CUSTOMER_ID.getDataType()))
            .changedAt(field(name("orders", "changed_at")))
            .build();
    shop.dsl.execute("delete from orders where id not in (7, 107)");
    capture(account).install();
    assertRead(check(account), FULL, 2, 0);
    assertRead(check(account), INCREMENTAL, 0, 0);
    shop.dsl.execute("alter table account detach partition account_2");
    DeclarationReport report = check(account);
    assertFullBecause(report, "partitions came or went");
    assertRead(report, FULL, 2, 1);
  }

  /** Nothing in the database tells of a delete whose author did not call. */
  @Test
  void deletesThatAreCapturedByCall_doNotMakeARunIncremental() {
    capture(REFERENCE).uninstall();
    assertThat(check(REFERENCE).outcome()).isEqualTo(CLEAN);
    shop.transactions.execute(
        tx -> {
          capture(REFERENCE).capture(tx, REFERENCE.name(), List.of(List.of(7L)));
          tx.dsl().execute("delete from customers where id = 7");
        });
    shop.dsl.execute("delete from customers where id = 8");
    DeclarationReport report = check(REFERENCE);
    assertFullBecause(report, "captures by call");
    assertRead(report, FULL, 1_000, 2);
  }
}
