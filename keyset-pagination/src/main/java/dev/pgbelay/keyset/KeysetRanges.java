package dev.pgbelay.keyset;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.keyset.PageStatement.Limits;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * Cuts the rows of a table into ranges of its key, one after the other: for work that goes over a
 * table piece by piece. Finding the end of a range is one index walk on the server, of which the
 * client sees one row.
 *
 * <p>Each {@link #next} is one statement on the connection of the {@code DSLContext} it is given,
 * which it neither ends nor changes. Ranges follow the key: a row that appears behind a range's end
 * later belongs to none of the following ranges. Immutable and safe for use by several threads.
 */
public final class KeysetRanges {
  private static final int MAX_POSITION_BYTES = 8_192;

  private final String name;
  private final List<SortKey> keys;
  private final PageSql sql;
  private final PageReader<?> reader;
  private final FilterValues filters;
  private final Map<PageShape, PageStatement> steps = new ConcurrentHashMap<>();

  private KeysetRanges(
      String name, List<SortKey> keys, PageSql sql, PageReader<?> reader, FilterValues filters) {
    this.name = name;
    this.keys = keys;
    this.sql = sql;
    this.reader = reader;
    this.filters = filters;
  }

  /**
   * A range of rows.
   *
   * @param condition true exactly for the keys behind the position that was given and up to {@link
   *     #end}; it does not repeat the filter
   * @param end the position of the last row, to be given to {@link KeysetRanges#next}; empty for
   *     the last range, which has no upper bound
   * @param endKeys the same for people, as PostgreSQL would print it; may hold data of the table
   */
  public record Range(Condition condition, Optional<String> end, List<String> endKeys) {
    public Range {
      endKeys = List.copyOf(endKeys);
    }
  }

  /**
   * The rows of {@code table} under {@code filter}, ascending by {@code keys}.
   *
   * @param name for messages
   * @param keys columns of the table that together are unique and never NULL
   * @throws InvalidKeysetQueryException if a key is declared nullable or cannot be a key
   */
  public static KeysetRanges over(
      String name,
      Table<?> table,
      Condition filter,
      List<? extends Field<?>> keys,
      Settings settings) {
    Renderer renderer = new Renderer(settings);
    List<Field<?>> fields = List.copyOf(keys);
    List<SortField<?>> order = new ArrayList<>();
    for (Field<?> key : fields) {
      order.add(key.asc());
    }
    List<SortKey> sortKeys =
        new OrderResolver(name, renderer, fields, fields, List.of()).resolve(order);
    Select<?> select = DSL.select(fields).from(table).where(filter);
    BaseSelect base = BaseSelect.of(name, select, sortKeys, renderer);
    PageSql sql = new PageSql(base, renderer, false);
    PageReader<?> reader =
        new PageReader<>(
            name,
            base.keys(),
            sql.keyColumns(),
            base.outputs().size(),
            RowSource.ofRecord(base.outputs(), row -> row));
    FilterValues filters = FilterValues.of(name, renderer.template(base.select()).params());
    return new KeysetRanges(name, base.keys(), sql, reader, filters);
  }

  /**
   * The range of the next {@code rows} rows behind a position.
   *
   * @param after an earlier range's end; null for the start
   * @param rows at least 1
   * @throws IllegalArgumentException if {@code after} is not a position of these keys
   */
  public Range next(DSLContext dsl, @Nullable String after, int rows) {
    if (rows < 1) {
      throw new IllegalArgumentException(
          "ranges of '%s': rows must be at least 1, is %d".formatted(name, rows));
    }
    Boundary start = after == null ? Boundary.NONE : decode(after);
    Boundary end =
        reader.readStep(
            dsl,
            steps.computeIfAbsent(PageShape.after(start), sql::step),
            new Limits(rows, 0, rows - 1L),
            start,
            filters);
    Condition condition = DSL.noCondition();
    if (after != null) {
      condition = condition.and(RangeSql.behind(fields(), texts(start)));
    }
    if (end == null) {
      return new Range(condition, Optional.empty(), List.of());
    }
    return new Range(
        condition.and(RangeSql.upTo(fields(), texts(end))), Optional.of(encode(end)), texts(end));
  }

  private List<Field<?>> fields() {
    List<Field<?>> fields = new ArrayList<>();
    for (SortKey key : keys) {
      fields.add(key.field());
    }
    return fields;
  }

  private List<String> texts(Boundary position) {
    List<String> texts = new ArrayList<>();
    for (int k = 0; k < position.length(); k++) {
      byte[] wire = position.key(k);
      if (wire == null) {
        throw new InvalidKeysetQueryException(
            InvalidKeysetQueryException.Reason.ORDER,
            "ranges of '%s': key %s is NULL in a row; only columns that are NOT NULL can be keys of ranges"
                .formatted(name, keys.get(k).label()));
      }
      texts.add(keys.get(k).type().text(wire));
    }
    return texts;
  }

  private static String encode(Boundary position) {
    int size = 0;
    for (int k = 0; k < position.length(); k++) {
      size += Integer.BYTES + length(position, k);
    }
    ByteBuffer bytes = ByteBuffer.allocate(size);
    for (int k = 0; k < position.length(); k++) {
      bytes.putInt(length(position, k));
      byte[] wire = position.key(k);
      if (wire != null) {
        bytes.put(wire);
      }
    }
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes.array());
  }

  private static int length(Boundary position, int key) {
    byte[] wire = position.key(key);
    return wire == null ? 0 : wire.length;
  }

  private Boundary decode(String position) {
    byte[] text = position.getBytes(UTF_8);
    if (text.length > MAX_POSITION_BYTES) {
      throw foreign();
    }
    byte[][] values = new byte[keys.size()][];
    try {
      ByteBuffer bytes = ByteBuffer.wrap(Base64.getUrlDecoder().decode(text));
      for (int k = 0; k < values.length; k++) {
        int length = bytes.getInt();
        if (length < 0 || length > bytes.remaining()) {
          throw foreign();
        }
        values[k] = new byte[length];
        bytes.get(values[k]);
        if (!keys.get(k).type().isWellFormed(values[k])) {
          throw foreign();
        }
      }
      if (bytes.hasRemaining()) {
        throw foreign();
      }
    } catch (java.nio.BufferUnderflowException e) {
      throw foreign();
    }
    return new Boundary(values, false);
  }

  private IllegalArgumentException foreign() {
    return new IllegalArgumentException(
        "ranges of '%s': this is not a position of these keys (%s); positions come from Range.end()"
            .formatted(name, String.join(", ", keys.stream().map(SortKey::label).toList())));
  }
}
