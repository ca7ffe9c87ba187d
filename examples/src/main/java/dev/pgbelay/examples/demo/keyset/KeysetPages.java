package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.ID;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.keyset.CursorCodec;
import dev.pgbelay.keyset.KeysetQuery;
import dev.pgbelay.keyset.Page;
import dev.pgbelay.keyset.PageRequest;
import java.security.SecureRandom;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SortField;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/** The order lists as pgbelay pages them. */
final class KeysetPages {
  private static final int LARGEST_PAGE = 1_000;
  private static final CursorCodec CURSORS =
      CursorCodec.signed(KeyRing.of("demo", new SecureRandom().generateSeed(32)));

  private final KeysetQuery<OrderRow> query;

  private KeysetPages(String name, Table<Record> table, List<SortField<?>> order) {
    this.query =
        KeysetQuery.from(select(OrderRow.COLUMNS).from(table))
            .named(name)
            .orderBy(order.toArray(SortField<?>[]::new))
            .unique(ID)
            .cursors(CURSORS)
            .maxPageSize(LARGEST_PAGE)
            .map(OrderRow::of)
            .build();
  }

  static KeysetPages newestFirst(Table<Record> table) {
    return new KeysetPages("newest-first", table, OrderRow.NEWEST_FIRST);
  }

  static KeysetPages statusThenNewest(Table<Record> table) {
    return new KeysetPages("status-then-newest", table, OrderRow.STATUS_THEN_NEWEST);
  }

  static KeysetPages firstShipped(Table<Record> table) {
    return new KeysetPages("first-shipped", table, OrderRow.FIRST_SHIPPED);
  }

  /** The first page, or the page behind a cursor. */
  Page<OrderRow> page(DSLContext dsl, @Nullable String cursor, int size) {
    return query.fetch(
        dsl, cursor == null ? PageRequest.first(size) : PageRequest.after(cursor, size));
  }

  /** All pages, from the nodes in turn: a cursor is good on every node that has the rows. */
  Walk walk(int size, DSLContext... nodes) {
    return new Walk() {
      private int pages;
      private @Nullable String cursor;
      private boolean ended;

      @Override
      public List<OrderRow> next() {
        if (ended) {
          return List.of();
        }
        Page<OrderRow> page = page(nodes[pages++ % nodes.length], cursor, size);
        cursor = page.nextCursor().orElse(null);
        ended = cursor == null;
        return page.items();
      }
    };
  }
}
