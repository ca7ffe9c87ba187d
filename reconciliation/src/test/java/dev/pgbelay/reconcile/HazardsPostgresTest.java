package dev.pgbelay.reconcile;

import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER_REFERENCE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;

/** What is let through, by a guard or by the order of a scan, and who finds it then. */
class HazardsPostgresTest {
  private static final Declarations REFERENCES = Declarations.of("1", ORDER_CUSTOMER_REFERENCE);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private ShopFixture shop;

  @BeforeEach
  void shop() {
    shop = new ShopFixture(postgres.dataSource());
  }

  @Test
  void parentDeletedBetweenQuestionAndCommit_getsThroughGuardsWithoutLock_andTheCheckerFindsIt() {
    shop.customers(3);
    ParentGuard exists = ParentGuard.exists(ORDER_CUSTOMER_REFERENCE);
    ParentGuard cached = ParentGuard.cached(ORDER_CUSTOMER_REFERENCE, Duration.ofMinutes(1), 1_000);
    insertWhileItsParentGoes(exists, 100, 1);
    insertWhileItsParentGoes(cached, 101, 2);
    insertChecked(cached, 102, 2); // its entry lives on
    assertThat(check().open()).as("with the orders 1 and 2").isEqualTo(5);
  }

  @Test
  void rowThatComesBehindTheScan_isLeftToTheNextRun() {
    shop.customers(400);
    Checker some =
        Checker.builder(shop.transactions, REFERENCES)
            .rangeRows(100, 100, 100)
            .maxRows(100)
            .build();
    CheckReport first = some.run();
    assertThat(first.declarations().get(0).rowsNotReached()).isPositive();
    shop.dsl.execute("insert into orders (id, customer_id) values (-1, 9999)");
    DeclarationReport gone = check();
    assertThat(gone.outcome()).isEqualTo(DeclarationReport.Outcome.CLEAN);
    assertThat(gone.rowsChecked()).as("the first call's rows among them").isEqualTo(400);
    assertThat(check().open()).isEqualTo(1);
  }

  @Test
  void copiedChildren_passTheGuard_andTheCheckerFindsThem() throws SQLException, IOException {
    shop.customers(3);
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyIn("copy orders (id, customer_id) from stdin", new StringReader("100\t9999\n"));
    }
    assertThat(check().open()).isEqualTo(1);
  }

  @Test
  void triggersOfTheApplication_fireInTheTransactionOfARepair_andOfItsUndo() {
    shop.customers(3);
    shop.dsl.execute("delete from customers where id = 2");
    shop.dsl.execute("create table event (what text)");
    shop.dsl.execute(
        "create function tell() returns trigger language plpgsql as"
            + " 'begin insert into event values (TG_OP); return null; end'");
    shop.dsl.execute(
        "create trigger tell after insert or delete on orders for each row execute function tell()");
    try {
      assertThat(check().open()).isEqualTo(1);
      quarantine(
          (tx, finding) -> {
            throw new IllegalStateException("the mail could not be queued");
          });
      assertThat(events()).as("of a repair that is rolled back").isEmpty();
      RepairReport done = quarantine((tx, finding) -> {});
      assertThat(events()).containsExactly("DELETE");
      UndoLog.of(shop.transactions).undo(done.batch());
      assertThat(events()).containsExactly("DELETE", "INSERT");
    } finally {
      shop.dsl.execute("drop function tell() cascade");
      shop.dsl.execute("drop table event");
    }
  }

  private RepairReport quarantine(Repairs.AfterEach after) {
    return Repairs.builder(shop.transactions, REFERENCES)
        .policy("order-customer", RepairPolicy.quarantine())
        .afterEach(after)
        .build()
        .run();
  }

  private List<String> events() {
    return shop.dsl.fetch("select what from event order by what").getValues("what", String.class);
  }

  private void insertWhileItsParentGoes(ParentGuard guard, long order, long customer) {
    shop.transactions.execute(
        tx -> {
          guard.check(tx, customer);
          shop.dsl.execute("delete from customers where id = ?", customer);
          tx.dsl().execute("insert into orders (id, customer_id) values (?, ?)", order, customer);
        });
  }

  private void insertChecked(ParentGuard guard, long order, long customer) {
    shop.transactions.execute(
        tx -> {
          guard.check(tx, customer);
          tx.dsl().execute("insert into orders (id, customer_id) values (?, ?)", order, customer);
        });
  }

  private DeclarationReport check() {
    return Checker.builder(shop.transactions, REFERENCES).build().run().declarations().get(0);
  }
}
