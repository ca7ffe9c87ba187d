package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.jooq.Converter;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.RecordMapper;
import org.jooq.SortField;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/**
 * Reads the rows of many keys in one statement, where a loop would send one per key: {@link #load}
 * for the row of each key, {@link #children} for the first few rows under each parent.
 *
 * <p>Which rows belong to a key is decided by PostgreSQL's equality, not Java's: {@code numeric}
 * 1.0 finds 1.00, {@code citext} finds whatever its case. Java's equality only folds repeated
 * requests: two keys that Java tells apart are two requests, and both get the row. A key that is
 * null, or has a null part, equals nothing in SQL: it is missing and never sent.
 *
 * <p>A read of one statement and one round trip, whatever the number of keys (each key column
 * travels as one array). It opens no transaction: it is right under autocommit, and inside a
 * transaction with {@code tx.dsl()}. Blocks for the database; holds all rows in memory. Immutable
 * and safe for several threads; build it once, because it keeps the text of its statements.
 *
 * @param <K> what the caller asks by
 * @param <T> what a row becomes
 */
public final class KeyedLoader<K, T> {
  private final Table<?> table;
  private final List<Field<?>> key;
  private final Function<? super K, ? extends @Nullable List<?>> parts;
  private final KeyedRows<T> rows;
  private final @Nullable KeyedSql anyOfSql;
  private final KeyedSql joinedSql;

  private KeyedLoader(Builder<K, T> builder) {
    this.table = builder.table;
    this.key = builder.key;
    this.parts = builder.parts;
    this.rows = builder.rowsOrRecords();
    boolean pairedInJava = key.size() == 1 && isEqualInJava(key.get(0).getConverter().fromType());
    this.anyOfSql = pairedInJava ? new KeyedSql(table, key, builder.columns, true) : null;
    this.joinedSql = new KeyedSql(table, key, builder.columns, false);
  }

  /**
   * A loader by one column.
   *
   * @param table a table, a view or a derived table
   * @param key of {@code table}; unique for {@link #load}, typically the foreign key for {@link
   *     #children}. An index on it is what makes the loader fast
   */
  public static <K> Builder<K, Record> of(Table<?> table, Field<K> key) {
    return new Builder<>(table, List.of(key), value -> value == null ? null : List.of(value));
  }

  /**
   * A loader by several columns.
   *
   * @param key columns of {@code table}
   * @param parts the values for these columns in the same order, each of the type of its field
   */
  public static <K> Builder<K, Record> of(
      Table<?> table, List<? extends Field<?>> key, Function<? super K, ? extends List<?>> parts) {
    return new Builder<>(
        table, List.copyOf(key), value -> value == null ? null : parts.apply(value));
  }

  /**
   * The row of each key, in one statement; none is sent for no keys.
   *
   * @throws PgBelayException if a key has several rows: it is not unique, and which row would be
   *     chosen nobody could say; use {@link #children}
   * @throws PgBelayException for a key that PostgreSQL could not store (text with NUL)
   * @throws org.jooq.exception.DataAccessException from the database, as it is
   */
  public Loaded<K, T> load(DSLContext dsl, Collection<? extends K> keys) {
    Map<K, Optional<T>> answers = new LinkedHashMap<>();
    for (K each : keys) {
      answers.put(each, Optional.empty());
    }
    Asked<K> asked = ask(answers.keySet());
    if (!asked.keys().isEmpty()) {
      Map<Object, K> byValue = anyOfSql == null ? Map.of() : asked.byValue();
      // Two keys may have become one value on the way to the database: then the server pairs them.
      boolean pairedHere = anyOfSql != null && byValue.size() == asked.keys().size();
      KeyedSql sql = pairedHere && anyOfSql != null ? anyOfSql : joinedSql;
      sql.read(
          dsl,
          asked.arrays(),
          rows,
          (answer, value) -> {
            K of =
                pairedHere
                    ? Objects.requireNonNull(byValue.get(answer))
                    : asked.keys().get(((Long) answer).intValue() - 1);
            Optional<T> before = answers.put(of, Optional.of(value));
            if (before != null && before.isPresent()) {
              throw severalRows();
            }
          });
    }
    return new Loaded<>(new ArrayList<>(keys), answers);
  }

  private PgBelayException severalRows() {
    return new PgBelayException(
        "load from "
            + table.getName()
            + " by "
            + names()
            + ": a key has more than one row, so it is not unique; load by a unique key, or"
            + " read the rows under each key with children(...)");
  }

  /**
   * The first rows under each parent, in one statement with a lateral join; none is sent for no
   * parents. For a list view with its lines: index on (key, order) makes it read nothing else.
   *
   * @param parents values of the loader's key, in the order wanted; repeated ones are folded
   * @param limitPerParent at least 1; part of the statement's text, so use few different ones
   * @param order of the rows under one parent; end it with a unique column, or which of two equal
   *     rows is cut off by the limit is chance
   * @return an entry for each parent in the order of the request, with an empty list where there is
   *     no row
   */
  public Map<K, List<T>> children(
      DSLContext dsl,
      Collection<? extends K> parents,
      int limitPerParent,
      List<? extends SortField<?>> order) {
    if (limitPerParent < 1) {
      throw new PgBelayException("limitPerParent must be at least 1, is " + limitPerParent);
    }
    if (order.isEmpty()) {
      throw new PgBelayException(
          "children need an order: without one, which rows a limit keeps is chance");
    }
    Map<K, List<T>> children = new LinkedHashMap<>();
    for (K parent : parents) {
      children.put(parent, List.of());
    }
    Asked<K> asked = ask(children.keySet());
    if (!asked.keys().isEmpty()) {
      joinedSql.read(
          dsl,
          asked.arrays(),
          limitPerParent,
          order,
          rows,
          (answer, value) -> {
            K parent = asked.keys().get(((Long) answer).intValue() - 1);
            List<T> under = Objects.requireNonNull(children.get(parent));
            if (under.isEmpty()) {
              under = new ArrayList<>();
              children.put(parent, under);
            }
            under.add(value);
          });
    }
    children.replaceAll((parent, under) -> Collections.unmodifiableList(under));
    return Collections.unmodifiableMap(children);
  }

  /** A cache over this loader for one request; see there for what it does not do. */
  public RequestCache<K, T> requestCache() {
    return new RequestCache<>(this);
  }

  /**
   * Makes a value of a row as JDBC gives it.
   *
   * @param <T> what a row becomes
   */
  @FunctionalInterface
  public interface RowMapper<T> {
    /** The loader's columns are columns 1 to n, in their order; further columns are not yours. */
    T map(ResultSet row) throws SQLException;
  }

  private String names() {
    return String.join(", ", key.stream().map(Field::getName).toList());
  }

  /**
   * What is sent: the keys that can have rows, and per key column their values.
   *
   * @param values one list per key column
   */
  private record Asked<K>(List<K> keys, List<List<Object>> values) {
    List<String> arrays() {
      return values.stream().map(KeyArray::of).toList();
    }

    Map<Object, K> byValue() {
      Map<Object, K> map = new HashMap<>();
      for (int i = 0; i < keys.size(); i++) {
        map.put(values.get(0).get(i), keys.get(i));
      }
      return map;
    }
  }

  private Asked<K> ask(Set<K> requested) {
    List<K> keys = new ArrayList<>(requested.size());
    List<List<Object>> values = new ArrayList<>();
    for (int i = 0; i < key.size(); i++) {
      values.add(new ArrayList<>(requested.size()));
    }
    for (K each : requested) {
      List<?> given = parts.apply(each);
      if (given == null) {
        continue;
      }
      if (given.size() != key.size()) {
        throw new PgBelayException(
            "a key has %d parts, but %s is loaded by %d columns (%s)"
                .formatted(given.size(), table.getName(), key.size(), names()));
      }
      int part = 0;
      for (; part < key.size(); part++) {
        Object converted = toDatabase(key.get(part), given.get(part));
        if (converted == null) {
          break;
        }
        values.get(part).add(converted);
      }
      if (part == key.size()) {
        keys.add(each);
      } else {
        values.subList(0, part).forEach(column -> column.remove(column.size() - 1));
      }
    }
    return new Asked<>(keys, values);
  }

  @SuppressWarnings("unchecked")
  private static @Nullable Object toDatabase(Field<?> field, @Nullable Object value) {
    return value == null ? null : ((Converter<Object, Object>) field.getConverter()).to(value);
  }

  /** Types whose equality is the same on both sides, in whatever column they are declared. */
  private static boolean isEqualInJava(Class<?> type) {
    return type == Long.class || type == Integer.class || type == Short.class || type == UUID.class;
  }

  /**
   * Not safe for several threads.
   *
   * @param <K> what the caller asks by
   * @param <T> what a row becomes
   */
  public static final class Builder<K, T> {
    private final Table<?> table;
    private final List<Field<?>> key;
    private final Function<? super K, ? extends @Nullable List<?>> parts;
    private List<Field<?>> columns;
    private final @Nullable KeyedRows<T> rows;

    private Builder(
        Table<?> table,
        List<Field<?>> key,
        Function<? super K, ? extends @Nullable List<?>> parts,
        List<Field<?>> columns,
        @Nullable KeyedRows<T> rows) {
      this.table = table;
      this.key = key;
      this.parts = parts;
      this.columns = columns;
      this.rows = rows;
    }

    private Builder(
        Table<?> table,
        List<Field<?>> key,
        Function<? super K, ? extends @Nullable List<?>> parts) {
      this(table, key, parts, List.of(table.fields()), null);
    }

    /** Only a builder of records has no mapper: {@link #map} is what gives it another type. */
    @SuppressWarnings("unchecked")
    private KeyedRows<T> rowsOrRecords() {
      Field<?>[] selected = columns.toArray(Field<?>[]::new);
      return rows == null ? new KeyedRows.OfRecord<>(row -> (T) row.into(selected)) : rows;
    }

    /** The columns to read; all that jOOQ knows of the table otherwise. */
    public Builder<K, T> columns(Field<?>... selected) {
      this.columns = List.of(selected);
      return this;
    }

    /**
     * What a row becomes; a jOOQ record of the columns otherwise.
     *
     * @param mapper reads the columns by field or by name; is called by the thread that loads, once
     *     per row and key, after the statement; must not return null
     */
    public <U> Builder<K, U> map(RecordMapper<? super Record, ? extends U> mapper) {
      return new Builder<>(table, key, parts, columns, new KeyedRows.OfRecord<U>(mapper));
    }

    /**
     * What a row becomes, read from JDBC directly: without a record per row, and past jOOQ's
     * listeners, converters and bindings.
     *
     * @param mapper reads {@link #columns} by their place, from 1; is called by the thread that
     *     loads while the statement is open, so it must not use the connection; must not return
     *     null
     */
    public <U> Builder<K, U> mapRow(RowMapper<? extends U> mapper) {
      return new Builder<>(table, key, parts, columns, new KeyedRows.OfResultSet<U>(mapper));
    }

    /**
     * Checks that keys and columns can be used, without asking the database.
     *
     * @throws PgBelayException naming the option and what is wrong with it
     */
    public KeyedLoader<K, T> build() {
      if (key.isEmpty()) {
        throw new PgBelayException("key of " + table.getName() + ": at least one column");
      }
      if (columns.isEmpty()) {
        throw new PgBelayException(
            "columns of "
                + table.getName()
                + ": jOOQ knows none of this table, so name them with columns(...)");
      }
      for (Field<?> field : key) {
        if (!KeyArray.takes(field.getConverter().fromType())) {
          throw new PgBelayException(
              "key %s of %s: %s cannot be a key here; load by a number, text, uuid, boolean, enum,"
                      .formatted(
                          field.getName(),
                          table.getName(),
                          field.getConverter().fromType().getSimpleName())
                  + " date, time or bytea");
        }
        if (key.size() == 1 && field.getType().isArray()) {
          throw new PgBelayException(
              "key %s of %s: arrays have no equality in Java; put a converter on the field"
                  .formatted(field.getName(), table.getName()));
        }
      }
      return new KeyedLoader<>(this);
    }
  }
}
