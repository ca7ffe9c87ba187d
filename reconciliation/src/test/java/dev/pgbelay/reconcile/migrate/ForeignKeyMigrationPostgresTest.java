package dev.pgbelay.reconcile.migrate;

import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.DdlException;
import dev.pgbelay.core.schema.SafeDdl;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.migrate.MigrationStep.Name;
import dev.pgbelay.reconcile.migrate.MigrationStep.State;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** From a key to the application and back, one step at a time, and never without either. */
class ForeignKeyMigrationPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  static final Reference REFERENCE =
      ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build();
  static final Declarations RULES = Declarations.of("1", REFERENCE);
  static final ShadowGuard.Measured MEASURED = new ShadowGuard.Measured(1, 0, 0, 0, List.of());

  private static final String ADD_KEY =
      "alter table orders add constraint orders_customer_id_fkey foreign key (customer_id)"
          + " references customers on delete cascade";

  private final DataSource dataSource = postgres.dataSource();
  private final ShopFixture shop = new ShopFixture(dataSource);

  @BeforeEach
  void customersWithOrders() {
    DeleteCapture.of(shop.transactions, RULES).uninstall();
    for (String key :
        shop.dsl
            .fetch(
                "select conname from pg_constraint where contype = 'f'"
                    + " and conrelid = 'orders'::regclass")
            .getValues(0, String.class)) {
      shop.dsl.execute("alter table orders drop constraint " + key);
    }
    shop.customers(50);
  }

  private ForeignKeyMigration.Builder migration() {
    return ForeignKeyMigration.builder(dataSource, shop.transactions, RULES, "order-customer")
        .guardsEnforced(MEASURED);
  }

  private int keys(boolean valid) {
    return shop.count(
        "select count(*) from pg_constraint where contype = 'f' and conrelid = 'orders'::regclass"
            + " and convalidated = ?",
        valid);
  }

  private int triggers() {
    return shop.count(
        "select count(*) from pg_trigger where tgrelid = 'customers'::regclass"
            + " and tgname like 'pgbelay_capture_%'");
  }

  private static List<State> states(List<MigrationStep> steps) {
    return steps.stream().map(MigrationStep::state).toList();
  }

  @Test
  void toTheApplication_theKeyGoes_andTheTriggersAreThere() {
    shop.dsl.execute(ADD_KEY);
    ForeignKeyMigration migration = migration().build();
    assertThat(states(migration.planToApplication()))
        .containsExactly(State.DONE, State.TO_DO, State.TO_DO, State.TO_DO);

    List<MigrationStep> steps = migration.toApplication();

    assertThat(states(steps)).containsOnly(State.DONE);
    assertThat(keys(true)).isZero();
    assertThat(triggers()).isEqualTo(3);
    assertThat(migration.toApplication()).as("again").isEqualTo(steps);
    shop.dsl.execute("delete from customers where id = 3");
    assertThat(shop.count("select count(*) from pgbelay.reconcile_deleted")).isEqualTo(1);
  }

  @Test
  void guardsThatNobodyMeasured_keepTheKey() {
    shop.dsl.execute(ADD_KEY);
    ForeignKeyMigration unknown =
        ForeignKeyMigration.builder(dataSource, shop.transactions, RULES, "order-customer").build();
    assertThat(unknown.planToApplication().get(0).state()).isEqualTo(State.BY_HAND);
    assertThatThrownBy(unknown::toApplication)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("guardsEnforced");
    for (ShadowGuard.Measured bad :
        List.of(
            new ShadowGuard.Measured(0, 0, 0, 0, List.of()),
            new ShadowGuard.Measured(9, 1, 1, 0, List.of()),
            new ShadowGuard.Measured(9, 1, 0, 1, List.of()))) {
      assertThatThrownBy(() -> migration().guardsEnforced(bad).build().toApplication())
          .hasMessageContaining("do not speak for it");
    }
    assertThat(keys(true)).isEqualTo(1);
    assertThat(triggers()).isZero();
  }

  @Test
  void orphansUnderTheKey_keepIt() {
    shop.dsl.execute(ADD_KEY);
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("set local session_replication_role = replica");
          tx.dsl().execute("delete from customers where id = 7");
        });

    assertThatThrownBy(() -> migration().build().toApplication())
        .hasMessageContaining("FINDINGS, 1 findings are open");

    assertThat(keys(true)).isEqualTo(1);
  }

  @Test
  void diedAfterAnyStep_isNeverWithoutKeyOrTriggers_andGoesOn() {
    shop.dsl.execute(ADD_KEY);
    int steps = 0;
    for (Name last : List.of(Name.CAPTURE_DELETES, Name.CHECK, Name.DROP_KEY)) {
      diesAfter(last, migration(), ForeignKeyMigration::toApplication);
      assertThat(keys(true) == 1 || triggers() == 3).as("after %s", last).isTrue();
      steps++;
    }
    migration().build().toApplication();
    assertThat(keys(true)).isZero();
    for (Name last : List.of(Name.ADD_KEY, Name.REPAIR, Name.VALIDATE_KEY, Name.STOP_CAPTURE)) {
      diesAfter(last, migration(), ForeignKeyMigration::toForeignKey);
      assertThat(keys(true) == 1 || triggers() == 3).as("after %s", last).isTrue();
      steps++;
    }
    assertThat(states(migration().build().toForeignKey())).containsOnly(State.DONE);
    assertThat(keys(true)).isEqualTo(1);
    assertThat(triggers()).isZero();
    assertThat(steps).isEqualTo(7);
  }

  private interface Way {
    List<MigrationStep> go(ForeignKeyMigration migration);
  }

  private static final class Died extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private static void diesAfter(Name last, ForeignKeyMigration.Builder builder, Way way) {
    ForeignKeyMigration dies =
        builder
            .afterEach(
                step -> {
                  if (step == last) {
                    throw new Died();
                  }
                })
            .build();
    assertThatThrownBy(() -> way.go(dies)).as("dies after %s", last).isInstanceOf(Died.class);
  }

  @Test
  void sessionKilledWhileItDropsTheKey_leavesKeyAndTriggers_andTheNextCallGoesOn()
      throws Exception {
    shop.dsl.execute(ADD_KEY);
    ForeignKeyMigration waits =
        migration()
            .ddl(
                SafeDdl.builder(dataSource)
                    .lockTimeout(Duration.ofMinutes(1))
                    .maxAttempts(1)
                    .build())
            .build();
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (Connection reader = dataSource.getConnection();
        Statement statement = reader.createStatement()) {
      reader.setAutoCommit(false);
      // Lets triggers be made, and nothing be dropped.
      statement.execute("lock table orders in access share mode");
      Future<?> running = thread.submit(waits::toApplication);
      await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () ->
                  shop.count(
                          "select count(*) from pg_locks where relation = 'orders'::regclass"
                              + " and mode = 'AccessExclusiveLock' and not granted")
                      == 1);
      shop.dsl.execute(
          "select pg_terminate_backend(pid) from pg_locks where relation = 'orders'::regclass"
              + " and mode = 'AccessExclusiveLock' and not granted");
      assertThatThrownBy(running::get)
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(DdlException.class);
      reader.rollback();
    } finally {
      thread.shutdownNow();
    }
    assertThat(keys(true)).isEqualTo(1);
    assertThat(triggers()).isEqualTo(3);

    migration().build().toApplication();

    assertThat(keys(true)).isZero();
    assertThat(triggers()).isEqualTo(3);
  }

  @Test
  void backToTheKey_orphansStopIt_withTheKeyInPlaceForWhatIsNew_untilTheyAreRepaired() {
    shop.dsl.execute("delete from customers where id in (7, 8)");
    assertThatThrownBy(() -> migration().build().toForeignKey())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("FINDINGS, 2 findings are open");

    assertThat(keys(false)).as("there, and not valid").isEqualTo(1);
    assertThatThrownBy(() -> shop.dsl.execute("insert into orders values (1000, 8)"))
        .isInstanceOf(DataAccessException.class)
        .hasMessageContaining("orders_customer_id_fkey");

    Repairs repairs =
        Repairs.builder(shop.transactions, RULES)
            .policy("order-customer", RepairPolicy.quarantine())
            .build();
    assertThat(states(migration().repairs(repairs).build().toForeignKey()))
        .containsOnly(State.DONE);
    assertThat(keys(true)).isEqualTo(1);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(48);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isEqualTo(2);
    shop.dsl.execute("delete from customers where id = 9");
    assertThat(shop.count("select count(*) from orders")).as("the key cascades").isEqualTo(47);
  }

  @Test
  void keyAndDeclarationDiffer_isRefusedWithTheList_unlessAccepted() {
    shop.dsl.execute(
        "alter table orders add constraint k foreign key (customer_id) references customers"
            + " on delete set null on update cascade deferrable");
    List<String> differences = migration().build().differences();
    assertThat(differences)
        .containsExactly(
            "the key's rule for deletes is SET_NULL, the declaration's CASCADE",
            "the key is ON UPDATE CASCADE or SET; here a changed key is a deleted parent",
            "the key can be deferred to the commit; a guard asks before the insert");
    assertThatThrownBy(() -> migration().build().toApplication())
        .hasMessageContaining(differences.get(0))
        .hasMessageContaining("acceptDifferences()");
    assertThat(keys(true)).isEqualTo(1);

    migration().acceptDifferences().build().toApplication();

    assertThat(keys(true)).isZero();
  }

  @Test
  void whatNoKeyCanSay_isRefusedOnTheWayBack() {
    Reference soft =
        Reference.builder("soft")
            .child(ORDERS, ORDER_CUSTOMER)
            .parent(CUSTOMERS, CUSTOMER_ID)
            .parentWhere(org.jooq.impl.DSL.condition("deleted_at is null"))
            .onDelete(OnDelete.custom((tx, reference, children) -> 0))
            .build();
    ForeignKeyMigration migration =
        ForeignKeyMigration.builder(
                dataSource, shop.transactions, Declarations.of("1", soft), "soft")
            .build();
    assertThatThrownBy(migration::toForeignKey)
        .hasMessageContaining("no rule CUSTOM")
        .hasMessageContaining("parentWhere");
    assertThat(keys(false)).isZero();
  }

  @Test
  void shadowGuard_countsWhatItWouldRefuse_andWhatTheKeyLetCommitAllTheSame() throws Exception {
    shop.dsl.execute(ADD_KEY + " deferrable initially deferred");
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    ShadowGuard shadow = ShadowGuard.over(ParentGuard.exists(REFERENCE)).meterRegistry(registry);
    shop.transactions.execute(
        tx -> {
          shadow.check(tx, 1L);
          tx.dsl().execute("insert into orders values (2001, 1)");
        });
    shop.transactions.execute(
        tx -> {
          shadow.check(tx, 777L);
          tx.dsl().execute("insert into orders values (2002, 777)");
          tx.dsl().execute("insert into customers values (777, 'late')");
        });
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> {
                      shadow.check(tx, 888L);
                      tx.dsl().execute("insert into orders values (2003, 888)");
                    }))
        .as("the key agrees")
        .isInstanceOf(Exception.class);

    ShadowGuard.Measured measured = shadow.measured();
    assertThat(measured.checks()).isEqualTo(3);
    assertThat(measured.refused()).isEqualTo(2);
    assertThat(measured.committed()).isEqualTo(1);
    assertThat(measured.samples()).hasSize(2).first().asString().contains("777");
    assertThat(measured.plus(measured).refused()).isEqualTo(4);
    try (Connection joined = dataSource.getConnection()) {
      joined.setAutoCommit(false);
      shadow.check(Tx.join(joined), 999L);
      joined.rollback();
    }
    assertThat(
            Stream.of("checks", "refused", "committed", "unknown")
                .map(
                    each ->
                        registry
                            .get("pgbelay.reconcile.shadow." + each)
                            .tag("reference", "order-customer")
                            .counter()
                            .count()))
        .containsExactly(4.0, 3.0, 1.0, 1.0);
    assertThatThrownBy(
            () -> migration().acceptDifferences().guardsEnforced(measured).build().toApplication())
        .hasMessageContaining("do not speak for it");
  }

  @Test
  void keyThatIsNotEnforced_keepsNothing_andIsReplacedByOneThatDoes() {
    if (shop.count("select current_setting('server_version_num')::int / 10000") < 18) {
      return;
    }
    shop.dsl.execute(ADD_KEY + " not enforced");
    shop.dsl.execute("delete from customers where id = 7");
    assertThat(migration().build().differences())
        .containsExactly("the key is NOT ENFORCED: it keeps nothing");
    assertThatThrownBy(() -> migration().build().toApplication())
        .hasMessageContaining("NOT ENFORCED");
    assertThatThrownBy(() -> migration().acceptDifferences().build().toApplication())
        .as("a check comes before the key goes")
        .hasMessageContaining("FINDINGS, 1 findings are open");
    assertThat(keys(false)).isEqualTo(1);
    MigrationStep add = migration().build().planToForeignKey().get(0);
    assertThat(add.state()).isEqualTo(State.TO_DO);
    assertThat(add.asText())
        .contains("ACCESS EXCLUSIVE")
        .contains("DROP CONSTRAINT \"orders_customer_id_fkey\", ADD CONSTRAINT");

    assertThatThrownBy(() -> migration().build().toForeignKey())
        .hasMessageContaining("FINDINGS, 1 findings are open");
    assertThatThrownBy(() -> shop.dsl.execute("insert into orders values (1000, 7)"))
        .hasMessageContaining("orders_customer_id_fkey");
    Repairs repairs =
        Repairs.builder(shop.transactions, RULES)
            .policy("order-customer", RepairPolicy.quarantine())
            .build();
    assertThat(states(migration().repairs(repairs).build().toForeignKey()))
        .containsOnly(State.DONE);

    assertThat(keys(true)).isEqualTo(1);
    assertThat(migration().build().differences()).isEmpty();
  }

  @Test
  void plan_isAScriptWithItsLocks() {
    shop.dsl.execute(ADD_KEY);
    List<String> texts = new ArrayList<>();
    migration().build().planToApplication().forEach(each -> texts.add(each.asText()));
    assertThat(texts.get(3))
        .contains("DROP_KEY (TO_DO)")
        .contains("ACCESS EXCLUSIVE on public.customers and public.orders")
        .contains("CREATE OR REPLACE TRIGGER")
        .endsWith("ALTER TABLE public.orders DROP CONSTRAINT \"orders_customer_id_fkey\";\n");
    shop.dsl.execute("alter table orders drop constraint orders_customer_id_fkey");
    assertThat(migration().build().planToForeignKey().get(0).statements())
        .containsExactly(
            "ALTER TABLE public.orders ADD CONSTRAINT \"orders_customer_id_fkey\" FOREIGN KEY"
                + " (\"customer_id\") REFERENCES public.customers (\"id\") ON DELETE CASCADE NOT VALID");
  }

  @Test
  void unknownReference_isRefusedByName() {
    assertThatThrownBy(
            () ->
                ForeignKeyMigration.builder(dataSource, shop.transactions, RULES, "nobody").build())
        .hasMessageContaining("'nobody'")
        .hasMessageContaining("order-customer");
  }
}
