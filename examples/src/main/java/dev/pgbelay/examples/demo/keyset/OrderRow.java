package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.CREATED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.ID;
import static dev.pgbelay.examples.demo.orders.Orders.SHIPPED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.STATUS;
import static dev.pgbelay.examples.demo.orders.Orders.TOTAL;

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.List;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SortField;
import org.jspecify.annotations.Nullable;

/** What a page of the order list shows, and the orders it can be in. */
record OrderRow(
    long id,
    String status,
    OffsetDateTime createdAt,
    @Nullable OffsetDateTime shippedAt,
    BigDecimal total) {

  static final List<Field<?>> COLUMNS = List.of(ID, STATUS, CREATED_AT, SHIPPED_AT, TOTAL);

  static final List<SortField<?>> NEWEST_FIRST = List.of(CREATED_AT.desc(), ID.desc());
  static final List<SortField<?>> STATUS_THEN_NEWEST =
      List.of(STATUS.asc(), CREATED_AT.desc(), ID.desc());
  static final List<SortField<?>> FIRST_SHIPPED = List.of(SHIPPED_AT.asc().nullsLast(), ID.asc());

  static OrderRow of(Record row) {
    return new OrderRow(
        row.get(ID), row.get(STATUS), row.get(CREATED_AT), row.get(SHIPPED_AT), row.get(TOTAL));
  }
}
