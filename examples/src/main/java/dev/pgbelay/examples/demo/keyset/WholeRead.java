package dev.pgbelay.examples.demo.keyset;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.keyset.Page;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A list read from end to end by keyset.
 *
 * @param seconds how long it took
 * @param marks the place after each page, so that later measurements can start deep in the list
 */
record WholeRead(double seconds, List<Mark> marks) {
  static final int PAGE = 1_000;

  /** The place between two rows: the cursor, and the row before it for those who seek by hand. */
  record Mark(String cursor, OrderRow last) {}

  static WholeRead of(KeysetPages pages, DemoContext context, String task) {
    List<Mark> marks = new ArrayList<>();
    long start = System.nanoTime();
    long rows = 0;
    @Nullable String cursor = null;
    do {
      Page<OrderRow> page = pages.page(context.primary(), cursor, PAGE);
      rows += page.items().size();
      cursor = page.nextCursor().orElse(null);
      if (cursor != null) {
        marks.add(new Mark(cursor, page.items().get(page.items().size() - 1)));
      }
      context.progress().step(task, rows, context.rows());
    } while (cursor != null);
    if (rows != context.rows()) {
      throw new IllegalStateException(
          "the keyset walk over " + context.rows() + " orders returned " + rows);
    }
    return new WholeRead((System.nanoTime() - start) / 1e9, marks);
  }
}
