package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** In which order deletes are taken, those that are captured by call, and how they are counted. */
class PropagationQueueTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private Declarations declarations = Declarations.of("0");

  private static Reference lines(OnDelete rule) {
    return ShopFixture.lineOrder().onDelete(rule).build();
  }

  private Propagation.Builder worker(Reference... references) {
    declarations = Declarations.of("1", references);
    return Propagation.builder(shop.transactions, declarations);
  }

  private Propagation.Builder captured(Reference... references) {
    Propagation.Builder worker = worker(references);
    DeleteCapture.of(shop.transactions, declarations).install();
    return worker;
  }

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
  }

  private int queued() {
    return shop.count("select count(*) from pgbelay.reconcile_deleted");
  }

  @Test
  void urgentDeletes_areTakenFirst_andOthersOfTheSameUrgencyInTurn() {
    shop.customers(6);
    shop.dsl.execute("insert into orders select g, 2 from generate_series(10, 12) g");
    shop.dsl.execute("insert into orders select g, 3 from generate_series(20, 22) g");
    List<String> order = new ArrayList<>();
    OnDelete rule =
        OnDelete.custom(
            (tx, reference, children) -> {
              order.add(
                  reference.name()
                      + tx.dsl()
                          .deleteFrom(reference.child())
                          .where(children)
                          .returning(ShopFixture.ORDER_CUSTOMER)
                          .fetch(0, String.class));
              return 1;
            });
    Reference low =
        Reference.builder("low")
            .child(ShopFixture.LINES, ShopFixture.LINE_ORDER)
            .parent(ShopFixture.CUSTOMERS, ShopFixture.CUSTOMER_ID)
            .urgency(Reference.Urgency.LOW)
            .onDelete(
                OnDelete.custom(
                    (tx, reference, children) -> {
                      order.add("low");
                      return 1;
                    }))
            .build();
    Reference high =
        ShopFixture.orderCustomer().urgency(Reference.Urgency.HIGH).onDelete(rule).build();
    Propagation worker = captured(low, high).chunk(2).build();
    shop.dsl.execute("delete from customers where id = 2");
    shop.dsl.execute("delete from customers where id = 3");
    Drain.within(1_000, worker);
    assertThat(order)
        .containsExactly(
            "order-customer[2, 2]",
            "order-customer[3, 3]",
            "order-customer[2, 2]",
            "order-customer[3, 3]",
            "low",
            "low");
  }

  @Test
  void capturedByCall_isCascadedWithoutAnyTrigger_andRestrictRefuses() {
    shop.customers(5);
    Reference customers = ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build();
    Propagation worker = worker(customers, lines(OnDelete.cascade())).chunk(2).build();
    DeleteCapture capture = DeleteCapture.of(shop.transactions, declarations);
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("delete from customers where id in (2, 3)");
          capture.capture(
              tx, "order-customer", List.of(List.of(2L), List.of(3), Arrays.asList((Object) null)));
        });
    Drain.within(1_000, worker);
    assertThat(shop.dsl.fetch("select id from orders order by id").getValues(0, Integer.class))
        .containsExactly(1, 4, 5);
    assertThat(shop.count("select count(*) from lines")).isEqualTo(6);
    assertThat(queued()).isZero();
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> capture.capture(tx, "order-customer", List.of(List.of(1, 2)))))
        .hasMessageContaining("has 1 columns, 2 values");

    Propagation restricted = worker(customers, lines(OnDelete.restrict())).build();
    DeleteCapture other = DeleteCapture.of(shop.transactions, declarations);
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> {
                      tx.dsl().execute("delete from orders where id = 4");
                      other.capture(tx, "line-order", List.of(List.of(4)));
                    }))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("still refer to one of [[4]]");
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("delete from customers where id = 5");
          other.capture(tx, "order-customer", List.of(List.of(5)));
        });
    Drain.within(1_000, restricted);
    assertThat(shop.count("select count(*) from orders where id = 5"))
        .as("lines refer")
        .isEqualTo(1);
    assertThat(shop.count("select attempts from pgbelay.reconcile_deleted")).isEqualTo(1);
  }

  @Test
  void countsOfAPlan_endAtTheirBound_andSayThatThereIsMore() {
    shop.customers(20);
    shop.dsl.execute("update orders set customer_id = 7 where id <= 12");
    Propagation worker =
        captured(
                ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build(),
                lines(OnDelete.cascade()))
            .countAtMost(5)
            .confirmAbove(3)
            .build();
    PropagationPlan plan = worker.plan("order-customer", 7L);
    assertThat(plan.rows()).isEqualTo(Map.of("order-customer", 5L, "line-order", 5L));
    assertThat(plan.atLeast()).containsExactlyInAnyOrder("order-customer", "line-order");
    assertThat(worker.plan("order-customer", 20L).atLeast()).isEmpty();
    shop.dsl.execute("delete from customers where id = 7");
    shop.dsl.execute("delete from customers where id = 19");
    Drain.within(1_000, worker);
    assertThat(worker.open(10).get(0).atLeast()).contains("order-customer");
    assertThat(worker.backlog().held()).isEqualTo(1);
    assertThat(worker.backlog().open()).isZero();
    assertThat(worker.backlog().oldest()).isEmpty();
    worker.confirm(worker.open(1).get(0).id());
    assertThat(worker.backlog().open()).isEqualTo(1);
    assertThat(worker.backlog().oldest()).isPresent();
  }

  @Test
  void backlog_countsEachReferenceToItsBound_andSaysThatThereIsMore() {
    shop.customers(2);
    Propagation worker =
        captured(
                ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build(),
                lines(OnDelete.cascade()))
            .countAtMost(5)
            .build();
    capture("undeclared", 9, false);
    capture("order-customer", 5, false);
    capture("line-order", 3, false);
    capture("line-order", 2, true);
    shop.dsl.execute(
        "update pgbelay.reconcile_deleted set captured_at = now() - interval '1 hour'"
            + " where reference = 'line-order' and held_because is null");
    PropagationBacklog backlog = worker.backlog();
    assertThat(backlog.open()).isEqualTo(8);
    assertThat(backlog.held()).isEqualTo(2);
    assertThat(backlog.atLeast()).isFalse();
    assertThat(backlog.oldest().orElseThrow().toMinutes()).isEqualTo(60);
    capture("order-customer", 1, false);
    assertThat(worker.backlog().open()).isEqualTo(8);
    assertThat(worker.backlog().atLeast()).isTrue();
  }

  private void capture(String reference, int deletes, boolean held) {
    shop.dsl.execute(
        "insert into pgbelay.reconcile_deleted (reference, parent_key, cause, urgency, held_because)"
            + " select ?, jsonb_build_array(g::text), 'DELETE', 1, ? from generate_series(1, ?) g",
        reference,
        held ? "too many rows" : null,
        deletes);
  }
}
