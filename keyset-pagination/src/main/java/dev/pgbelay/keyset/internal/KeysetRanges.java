package dev.pgbelay.keyset.internal;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.core.PgBelayException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Nullability;
import org.jooq.Record;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * Cuts the rows of a table into ranges of its key, one after the other: for work that goes over a
 * table piece by piece. Finding the end of a range is one index walk on the server, of which the
 * client sees one row.
 *
 * <p>Each {@link #next} is one statement through the {@code DSLContext} it is given, with its
 * settings and listeners, and neither ends nor changes a transaction. Ranges follow the key: a row
 * that appears behind a range's end later belongs to none of the following ranges. Keys travel as
 * the server's own text of them, and the server parses them again as what the column is. A position
 * is as long as its keys: it is unsigned, for those who keep it themselves. Immutable and safe for
 * use by several threads.
 */
public final class KeysetRanges {
  private static final String WALKED = "pgbelay_range";

  private final String name;
  private final Table<?> table;
  private final Condition filter;
  private final List<Field<?>> keys;

  private KeysetRanges(String name, Table<?> table, Condition filter, List<Field<?>> keys) {
    this.name = name;
    this.table = table;
    this.filter = filter;
    this.keys = keys;
  }

  /**
   * A range of rows.
   *
   * @param condition true exactly for the keys behind the position that was given and up to {@link
   *     #end}; it does not repeat the filter
   * @param end the position of the last row, to be given to {@link KeysetRanges#next}; empty for
   *     the last range, which has no upper bound
   * @param endKeys the same for people, as PostgreSQL prints it; may hold data of the table
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
   * @throws PgBelayException without keys, or if one is declared nullable
   */
  public static KeysetRanges over(
      String name, Table<?> table, Condition filter, List<? extends Field<?>> keys) {
    if (keys.isEmpty()) {
      throw new PgBelayException("ranges of '%s': a key is needed".formatted(name));
    }
    for (Field<?> key : keys) {
      if (key.getDataType().nullability() == Nullability.NULL) {
        throw new PgBelayException(
            "ranges of '%s': key %s is declared nullable; only columns that are NOT NULL can be keys of ranges"
                .formatted(name, key.getName()));
      }
    }
    return new KeysetRanges(name, table, filter, List.copyOf(keys));
  }

  /**
   * The range of the next {@code rows} rows behind a position.
   *
   * @param after an earlier range's end; null for the start
   * @param rows at least 1
   * @throws PgBelayException if {@code after} is not a position of these keys
   * @throws PgBelayException if a key turns out to be NULL in a row
   */
  public Range next(DSLContext dsl, @Nullable String after, int rows) {
    if (rows < 1) {
      throw new PgBelayException(
          "ranges of '%s': rows must be at least 1, is %d".formatted(name, rows));
    }
    Condition behind =
        after == null ? DSL.noCondition() : RangeSql.behind(keys, Positions.decode(this, after));
    Record row = dsl.fetchOne(lastKeys(behind, rows));
    if (row == null) {
      return new Range(behind, Optional.empty(), List.of());
    }
    List<String> end = texts(row);
    return new Range(behind.and(RangeSql.upTo(keys, end)), Optional.of(Positions.encode(end)), end);
  }

  /** Of the row that closes the range: nothing is sent of the others. */
  private Select<?> lastKeys(Condition behind, int rows) {
    List<Field<?>> walked = new ArrayList<>();
    List<Field<?>> texts = new ArrayList<>();
    List<SortField<?>> order = new ArrayList<>();
    List<SortField<?>> again = new ArrayList<>();
    for (int k = 0; k < keys.size(); k++) {
      Field<?> key = keys.get(k);
      String alias = "pgbelay_k" + (k + 1);
      Field<?> column = field(name(WALKED, alias), key.getDataType());
      walked.add(key.as(alias));
      order.add(key.asc());
      texts.add(column.cast(SQLDataType.CLOB));
      again.add(column.asc());
    }
    Table<?> range =
        DSL.select(walked)
            .from(table)
            .where(filter.and(behind))
            .orderBy(order)
            .limit(inline(rows))
            .asTable(WALKED);
    return DSL.select(texts).from(range).orderBy(again).offset(inline(rows - 1)).limit(inline(1));
  }

  private List<String> texts(Record row) {
    List<String> texts = new ArrayList<>();
    for (int k = 0; k < keys.size(); k++) {
      String text = row.get(k, String.class);
      if (text == null) {
        throw new PgBelayException(
            "ranges of '%s': key %s is NULL in a row; only columns that are NOT NULL can be keys of ranges"
                .formatted(name, keys.get(k).getName()));
      }
      texts.add(text);
    }
    return texts;
  }

  private PgBelayException foreign() {
    return new PgBelayException(
        "ranges of '%s': this is not a position of these keys (%s); positions come from Range.end()"
            .formatted(name, keys.stream().map(Field::getName).collect(Collectors.joining(", "))));
  }

  /** Positions as text: length-prefixed values in base64url, unsigned. */
  private static final class Positions {
    private Positions() {}

    static String encode(List<String> texts) {
      List<byte[]> values = texts.stream().map(text -> text.getBytes(UTF_8)).toList();
      int size = values.stream().mapToInt(value -> Integer.BYTES + value.length).sum();
      ByteBuffer bytes = ByteBuffer.allocate(size);
      values.forEach(value -> bytes.putInt(value.length).put(value));
      return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes.array());
    }

    static List<String> decode(KeysetRanges ranges, String position) {
      List<String> values = new ArrayList<>();
      try {
        ByteBuffer bytes = ByteBuffer.wrap(Base64.getUrlDecoder().decode(position));
        for (int k = 0; k < ranges.keys.size(); k++) {
          int length = bytes.getInt();
          if (length < 0 || length > bytes.remaining()) {
            throw ranges.foreign();
          }
          byte[] value = new byte[length];
          bytes.get(value);
          values.add(new String(value, UTF_8));
        }
        if (bytes.hasRemaining()) {
          throw ranges.foreign();
        }
      } catch (BufferUnderflowException | IllegalArgumentException e) {
        throw ranges.foreign();
      }
      return values;
    }
  }
}
