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
import org.jspecify.annotations.Nullable;

/** What a page of the order list shows. */
record OrderRow(
    long id,
    String status,
    OffsetDateTime createdAt,
    @Nullable OffsetDateTime shippedAt,
    BigDecimal total) {

  static final List<Field<?>> COLUMNS = List.of(ID, STATUS, CREATED_AT, SHIPPED_AT, TOTAL);

  static OrderRow of(Record row) {
    return new OrderRow(
        row.get(ID), row.get(STATUS), row.get(CREATED_AT), row.get(SHIPPED_AT), row.get(TOTAL));
  }
}
