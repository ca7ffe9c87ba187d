package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Drain;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.propagate.PropagationPlan;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.UUID;
import org.jooq.Record;
import org.jooq.Result;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the guide says to do when a delete was a mistake. */
class RunbookPostgresTest {
  private static final Declarations RULES =
      Declarations.of(
          "1",
          ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build(),
          ShopFixture.lineOrder().onDelete(OnDelete.cascade()).build());

  /** As in the guide. */
  private static final String BATCHES =
      """
      SELECT batch, declaration, action, count(*), min(done_at), max(done_at)
        FROM pgbelay.reconcile_undo
       WHERE undone_at IS NULL AND done_at > now() - interval '6 hours'
       GROUP BY batch, declaration, action ORDER BY max(done_at) DESC
      """;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private ShopFixture shop;

  @BeforeEach
  void shop() {
    shop = new ShopFixture(postgres.dataSource());
    shop.customers(5);
    DeleteCapture.of(shop.transactions, RULES).install();
    // the TRUNCATE of the fixture is captured as well by what the test before has installed
    shop.dsl.execute("truncate pgbelay.reconcile_deleted");
  }

  @Test
  void cascadeThatWasAMistake_isPutBackByItsBatches_theLastFirst() {
    List<Result<Record>> before = rows();
    shop.dsl.execute("delete from customers where id in (2, 3)");
    Drain.within(1_000, Propagation.builder(shop.transactions, RULES).build());
    assertThat(shop.count("select count(*) from lines")).isEqualTo(6);

    shop.dsl.execute("insert into customers select n, 'c' || n from generate_series(2, 3) n");
    List<UUID> batches = shop.dsl.fetch(BATCHES).getValues("batch", UUID.class);
    assertThat(batches).as("two of the customers, two of their orders").hasSize(4);
    UndoLog undo = UndoLog.of(shop.transactions);
    batches.forEach(batch -> assertThat(undo.undo(batch).conflicts()).isEmpty());

    assertThat(rows()).isEqualTo(before);
    assertThat(shop.dsl.fetch(BATCHES)).isEmpty();
    assertThat(undo.undo(batches.get(0)).restored()).as("put back already").isZero();
  }

  @Test
  void heldDelete_whoseParentIsPutBack_changesNothingOnceConfirmed() {
    shop.dsl.execute("insert into orders select n, 4 from generate_series(100, 120) n");
    List<Result<Record>> before = rows();
    Propagation propagation =
        Propagation.builder(shop.transactions, RULES).confirmAbove(10).build();
    shop.dsl.execute("delete from customers where id = 4");
    Drain.within(1_000, propagation);
    PropagationPlan held = propagation.open(10).get(0);
    assertThat(held.heldBecause()).isPresent();
    assertThat(propagation.open(10)).hasSize(1);

    shop.dsl.execute("insert into customers values (4, 'c4')");
    propagation.confirm(held.id());
    Drain.within(1_000, propagation);
    assertThat(rows()).isEqualTo(before);
    assertThat(propagation.open(10)).isEmpty();
  }

  @Test
  void changedKey_whoseChildrenMoveInTheSameTransaction_losesNone() {
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("update customers set id = 50 where id = 5");
          tx.dsl().execute("update orders set customer_id = 50 where customer_id = 5");
        });
    List<Result<Record>> before = rows();
    Drain.within(1_000, Propagation.builder(shop.transactions, RULES).build());
    assertThat(rows()).isEqualTo(before);
  }

  private List<Result<Record>> rows() {
    return List.of(
        shop.dsl.fetch("select * from customers order by id"),
        shop.dsl.fetch("select * from orders order by id"),
        shop.dsl.fetch("select * from lines order by id"));
  }
}
