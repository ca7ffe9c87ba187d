package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.CREATED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.ID;
import static dev.pgbelay.examples.demo.orders.Orders.SHIPPED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.STATUS;
import static org.jooq.impl.DSL.noCondition;
import static org.jooq.impl.DSL.row;
import static org.jooq.impl.DSL.val;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SortField;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/** Keyset pages with conditions written by hand, until the module stands: slow where they OR. */
final class KeysetPages {
  record CursorPage(List<OrderRow> rows, @Nullable String next) {}

  private final Table<Record> table;
  private final List<SortField<?>> order;
  private final Function<OrderRow, Condition> after;
  private final List<OrderRow> cursors = new ArrayList<>();

  private KeysetPages(
      Table<Record> table, List<SortField<?>> order, Function<OrderRow, Condition> after) {
    this.table = table;
    this.order = order;
    this.after = after;
  }

  static KeysetPages newestFirst(Table<Record> table) {
    return new KeysetPages(
        table,
        NaiveWalks.NEWEST_FIRST,
        l -> row(CREATED_AT, ID).lt(val(l.createdAt(), CREATED_AT), val(l.id(), ID)));
  }

  static KeysetPages statusThenNewest(Table<Record> table) {
    return new KeysetPages(
        table,
        NaiveWalks.STATUS_THEN_NEWEST,
        l ->
            STATUS
                .ge(l.status())
                .and(
                    STATUS
                        .gt(l.status())
                        .or(
                            row(CREATED_AT, ID)
                                .lt(val(l.createdAt(), CREATED_AT), val(l.id(), ID)))));
  }

  static KeysetPages firstShipped(Table<Record> table) {
    return new KeysetPages(
        table,
        NaiveWalks.FIRST_SHIPPED,
        l ->
            l.shippedAt() == null
                ? SHIPPED_AT.isNull().and(ID.gt(l.id()))
                : row(SHIPPED_AT, ID)
                    .gt(val(l.shippedAt(), SHIPPED_AT), val(l.id(), ID))
                    .or(SHIPPED_AT.isNull()));
  }

  CursorPage page(DSLContext dsl, @Nullable String cursor, int size) {
    List<OrderRow> rows =
        new ArrayList<>(
            dsl.select(OrderRow.COLUMNS)
                .from(table)
                .where(
                    cursor == null
                        ? noCondition()
                        : after.apply(cursors.get(Integer.parseInt(cursor))))
                .orderBy(order)
                .limit(size + 1)
                .fetch(OrderRow::of));
    if (rows.size() <= size) {
      return new CursorPage(rows, null);
    }
    rows.remove(size);
    cursors.add(rows.get(size - 1));
    return new CursorPage(rows, Integer.toString(cursors.size() - 1));
  }

  Walk walk(DSLContext dsl, int size) {
    return new Walk() {
      private @Nullable String cursor;
      private boolean ended;

      @Override
      public List<OrderRow> next() {
        if (ended) {
          return List.of();
        }
        CursorPage page = page(dsl, cursor, size);
        cursor = page.next();
        ended = cursor == null;
        return page.rows();
      }
    };
  }
}
