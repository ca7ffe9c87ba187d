package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.CREATED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.ID;
import static dev.pgbelay.examples.demo.orders.Orders.SHIPPED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.STATUS;
import static org.jooq.impl.DSL.noCondition;
import static org.jooq.impl.DSL.row;
import static org.jooq.impl.DSL.val;

import java.util.List;
import java.util.function.Function;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SortField;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/** The ways of paging that people write by hand. Each is right on a quiet, small, simple table. */
final class NaiveWalks {
  private NaiveWalks() {}

  /** Page n by OFFSET. */
  static List<OrderRow> offsetPage(
      DSLContext dsl, Table<Record> table, List<SortField<?>> order, long offset, int size) {
    return dsl.select(OrderRow.COLUMNS)
        .from(table)
        .orderBy(order)
        .limit(size)
        .offset(offset)
        .fetch(OrderRow::of);
  }

  /** Newest first by OFFSET. */
  static Walk byOffset(DSLContext dsl, Table<Record> table, int size) {
    return new Walk() {
      private long offset;

      @Override
      public List<OrderRow> next() {
        List<OrderRow> page = offsetPage(dsl, table, OrderRow.NEWEST_FIRST, offset, size);
        offset += size;
        return page;
      }
    };
  }

  /** Newest first, remembering only when the last row was created. */
  static Walk byCreatedAtOnly(DSLContext dsl, Table<Record> table, int size) {
    return byCursor(
        dsl, table, OrderRow.NEWEST_FIRST, size, last -> CREATED_AT.lt(last.createdAt()));
  }

  /** In the order of shipping, with a cursor that forgets that NULL compares with nothing. */
  static Walk byShippedAt(DSLContext dsl, Table<Record> table, int size) {
    return byCursor(
        dsl,
        table,
        OrderRow.FIRST_SHIPPED,
        size,
        last -> row(SHIPPED_AT, ID).gt(val(last.shippedAt(), SHIPPED_AT), val(last.id(), ID)));
  }

  /** The cursor condition that most frameworks write for mixed directions. */
  static List<OrderRow> plainOrPage(
      DSLContext dsl, Table<Record> table, @Nullable OrderRow last, int size) {
    return dsl.select(OrderRow.COLUMNS)
        .from(table)
        .where(last == null ? noCondition() : plainOr(last))
        .orderBy(OrderRow.STATUS_THEN_NEWEST)
        .limit(size)
        .fetch(OrderRow::of);
  }

  private static Condition plainOr(OrderRow last) {
    return STATUS
        .gt(last.status())
        .or(STATUS.eq(last.status()).and(CREATED_AT.lt(last.createdAt())))
        .or(STATUS.eq(last.status()).and(CREATED_AT.eq(last.createdAt())).and(ID.lt(last.id())));
  }

  private static Walk byCursor(
      DSLContext dsl,
      Table<Record> table,
      List<SortField<?>> order,
      int size,
      Function<OrderRow, Condition> after) {
    return new Walk() {
      private @Nullable OrderRow last;

      @Override
      public List<OrderRow> next() {
        List<OrderRow> page =
            dsl.select(OrderRow.COLUMNS)
                .from(table)
                .where(last == null ? noCondition() : after.apply(last))
                .orderBy(order)
                .limit(size)
                .fetch(OrderRow::of);
        if (!page.isEmpty()) {
          last = page.get(page.size() - 1);
        }
        return page;
      }
    };
  }
}
