package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static dev.pgbelay.keyset.OrdersSchema.SHIPPED_AT;
import static dev.pgbelay.keyset.OrdersSchema.STATUS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.select;

import java.util.List;
import org.jooq.SortField;
import org.junit.jupiter.api.Test;

/** The plan of each shape, as people read it. */
class PlanTextTest {
  private static KeysetQuery<?> query(SortField<?>... order) {
    return KeysetQuery.from(select(ID).from(ORDERS))
        .orderBy(order)
        .unique(ID)
        .cursors(CODEC)
        .build();
  }

  private static List<String> branches(String position, SortField<?>... order) {
    return query(order).explainPlan().stream()
        .filter(plan -> plan.position().equals(position))
        .findFirst()
        .orElseThrow()
        .branches();
  }

  @Test
  void uniformOrder_isOneRowValue() {
    assertThat(branches("after a cursor, forward", CREATED_AT.desc(), ID.desc()))
        .containsExactly("(orders.created_at, orders.id) < (:1, :2)");
    assertThat(branches("before a cursor, backward", CREATED_AT.desc(), ID.desc()))
        .containsExactly("(orders.created_at, orders.id) > (:1, :2)");
  }

  @Test
  void mixedOrder_isABranchPerChangeOfDirection() {
    assertThat(branches("after a cursor, forward", CREATED_AT.desc(), ID.asc()))
        .containsExactly("orders.created_at = :1 and orders.id > :2", "orders.created_at < :1");
    assertThat(branches("after a cursor, forward", STATUS.asc(), CREATED_AT.asc(), ID.desc()))
        .as("neighbours of one direction stay one row value")
        .containsExactly(
            "orders.status = :1 and orders.created_at = :2 and orders.id < :3",
            "(orders.status, orders.created_at) > (:1, :2)");
  }

  @Test
  void nullsLast_areABranchBehindTheValues() {
    assertThat(branches("after a cursor, forward", SHIPPED_AT.asc().nullsLast(), ID.asc()))
        .containsExactly("(orders.shipped_at, orders.id) > (:1, :2)", "orders.shipped_at is null");
    assertThat(
            branches(
                "after a cursor, forward, orders.shipped_at null",
                SHIPPED_AT.asc().nullsLast(),
                ID.asc()))
        .containsExactly("orders.shipped_at is null and orders.id > :2");
    assertThat(branches("before a cursor, backward", SHIPPED_AT.asc().nullsLast(), ID.asc()))
        .containsExactly("(orders.shipped_at, orders.id) < (:1, :2)");
    assertThat(
            branches(
                "before a cursor, backward, orders.shipped_at null",
                SHIPPED_AT.asc().nullsLast(),
                ID.asc()))
        .containsExactly(
            "orders.shipped_at is null and orders.id < :2", "orders.shipped_at is not null");
  }

  @Test
  void nullsFirst_areTheMirrorImage() {
    assertThat(branches("after a cursor, forward", SHIPPED_AT.asc().nullsFirst(), ID.asc()))
        .containsExactly("(orders.shipped_at, orders.id) > (:1, :2)");
    assertThat(
            branches(
                "after a cursor, forward, orders.shipped_at null",
                SHIPPED_AT.asc().nullsFirst(),
                ID.asc()))
        .containsExactly(
            "orders.shipped_at is null and orders.id > :2", "orders.shipped_at is not null");
    assertThat(branches("before a cursor, backward", SHIPPED_AT.asc().nullsFirst(), ID.asc()))
        .containsExactly("(orders.shipped_at, orders.id) < (:1, :2)", "orders.shipped_at is null");
  }

  @Test
  void nullableKeyInTheMiddle_beginsARowValueOfItsOwn() {
    assertThat(
            branches(
                "after a cursor, forward", STATUS.asc(), SHIPPED_AT.asc().nullsLast(), ID.asc()))
        .containsExactly(
            "orders.status = :1 and (orders.shipped_at, orders.id) > (:2, :3)",
            "orders.status = :1 and orders.shipped_at is null",
            "orders.status > :1");
  }

  @Test
  void backwardPage_turnsDirectionsAndNulls() {
    KeysetPlan plan =
        query(SHIPPED_AT.desc().nullsLast(), ID.asc()).explainPlan().stream()
            .filter(candidate -> candidate.position().equals("before a cursor, backward"))
            .findFirst()
            .orElseThrow();
    assertThat(plan.order()).isEqualTo("orders.shipped_at asc nulls first, orders.id desc");
  }

  @Test
  void explainPlan_printsEveryShapeWithItsSql() {
    List<KeysetPlan> plans = query(SHIPPED_AT.asc().nullsLast(), ID.asc()).explainPlan();
    assertThat(plans)
        .extracting(KeysetPlan::position)
        .containsExactly(
            "first page, forward",
            "after a cursor, forward",
            "after a cursor, forward, orders.shipped_at null",
            "last page, backward",
            "before a cursor, backward",
            "before a cursor, backward, orders.shipped_at null");
    assertThat(plans.get(2))
        .hasToString(
            """
            after a cursor, forward, orders.shipped_at null
              order by orders.shipped_at asc, orders.id asc
              branch 1: orders.shipped_at is null and orders.id > :2
              select "orders"."id", "pg_catalog"."timestamptz_send"("orders"."shipped_at") from "orders" where ("orders"."shipped_at" is null and "orders"."id" > ?) order by "orders"."shipped_at" asc, "orders"."id" asc fetch next 21 rows only
            """);
    assertThat(plans.get(1).sql()).contains(" union all ").contains("fetch next 21 rows only");
  }
}
