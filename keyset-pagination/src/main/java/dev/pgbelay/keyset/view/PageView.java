package dev.pgbelay.keyset.view;

import dev.pgbelay.keyset.Page;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A page as JSON: {@code {"items": […], "next": "…", "previous": "…", "hasNext": true,
 * "hasPrevious": null, "count": {"rows": "1000", "precision": "at_least"}}}. Every component is a
 * string, a boolean, null, a list or a map of those, so that the text is the same whichever library
 * writes it, and no number loses digits on its way through JavaScript. Immutable as far as the
 * items are.
 *
 * @param items as given by the mapping
 * @param next the cursor for {@code after}, or null at the end
 * @param previous the cursor for {@code before}, or null at the start
 * @param hasNext null if it was not asked
 * @param hasPrevious null if it was not asked
 * @param count null if it was not asked
 */
public record PageView<T>(
    List<T> items,
    @Nullable String next,
    @Nullable String previous,
    @Nullable Boolean hasNext,
    @Nullable Boolean hasPrevious,
    @Nullable CountView count) {

  /**
   * How many rows there are.
   *
   * @param rows in decimal
   * @param precision {@code exact}, {@code at_least} or {@code estimate}
   */
  public record CountView(String rows, String precision) {}

  public PageView {
    items = Collections.unmodifiableList(new ArrayList<>(items));
  }

  /** The page with each item mapped by the caller to something that JSON can say. */
  public static <T, V> PageView<V> of(Page<T> page, Function<? super T, ? extends V> item) {
    return new PageView<V>(
        page.items().stream().<V>map(item).toList(),
        page.nextCursor().orElse(null),
        page.previousCursor().orElse(null),
        Views.exists(page.next()),
        Views.exists(page.previous()),
        page.count().map(Views::count).orElse(null));
  }

  /**
   * A page of jOOQ records as maps of field name to {@linkplain JsonValues#of JSON value}. Fields
   * with the same name would hide each other: alias them in the select.
   */
  public static PageView<Map<String, @Nullable Object>> ofRecords(
      Page<? extends org.jooq.Record> page) {
    return of(page, JsonValues::ofRecord);
  }
}
