package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidKeysetQueryException.Reason.OPTION;

import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.RecordMapper;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.conf.Settings;
import org.jspecify.annotations.Nullable;

/**
 * Collects what a {@link KeysetQuery} is, and refuses what cannot be paged exactly. Needed: an
 * order, a tie-breaker (unless the select reads one table whose primary key jOOQ knows), and a
 * codec.
 *
 * <p>Not safe for use by several threads.
 *
 * @param <T> what a row becomes; a jOOQ {@code Record} unless a mapper is given
 */
public final class KeysetQueryBuilder<T> {
  private static final int DEFAULT_MAX_PAGE_SIZE = 200;
  private static final int HIGHEST_MAX_PAGE_SIZE = 100_000;

  private final Select<?> select;
  private final List<SortField<?>> order = new ArrayList<>();
  private final List<Field<?>> unique = new ArrayList<>();
  private final List<Field<?>> notNull = new ArrayList<>();
  private final List<Field<?>> nullable = new ArrayList<>();
  private String name = "unnamed";
  private @Nullable String identity;
  private @Nullable CursorCodec codec;
  private int maxPageSize = DEFAULT_MAX_PAGE_SIZE;
  private Settings settings = new Settings();
  private @Nullable MeterRegistry registry;
  private @Nullable RowSource<T> rows;

  KeysetQueryBuilder(Select<?> select) {
    this.select = select;
  }

  /** A name for messages and metrics (a tag: keep it from a small set). */
  public KeysetQueryBuilder<T> named(String name) {
    this.name = name;
    return this;
  }

  /**
   * The order of the rows. A key may be any expression that PostgreSQL can sort; behind DISTINCT,
   * GROUP BY or UNION it must be in the select list. A key that may be NULL says {@code
   * nullsFirst()} or {@code nullsLast()}.
   */
  public KeysetQueryBuilder<T> orderBy(SortField<?>... keys) {
    order.addAll(Arrays.asList(keys));
    return this;
  }

  /**
   * Fields that together are unique in the result, and not NULL: the tie-breaker. Those that are
   * not in the order are appended to it in the direction of its last key, so that one plain index
   * can serve. Without this, the primary key of a single table that jOOQ knows.
   */
  public KeysetQueryBuilder<T> unique(Field<?>... fields) {
    unique.addAll(Arrays.asList(fields));
    return this;
  }

  /** Keys that are never NULL although jOOQ does not know it. */
  public KeysetQueryBuilder<T> notNull(Field<?>... fields) {
    notNull.addAll(Arrays.asList(fields));
    return this;
  }

  /**
   * Keys that may be NULL and stand where PostgreSQL puts NULLs by default: last when ascending,
   * first when descending.
   */
  public KeysetQueryBuilder<T> nullable(Field<?>... fields) {
    nullable.addAll(Arrays.asList(fields));
    return this;
  }

  /** How cursors are made and read. */
  public KeysetQueryBuilder<T> cursors(CursorCodec codec) {
    this.codec = codec;
    return this;
  }

  /**
   * What cursors are bound to instead of the select's SQL text: lets them survive a change of the
   * text (a new jOOQ, a column more). Change it when the rows or their meaning change. Values that
   * jOOQ inlines into the text stay bound, each in its place; what a plain SQL template spells out
   * is text.
   */
  public KeysetQueryBuilder<T> identity(String identity) {
    this.identity = identity;
    return this;
  }

  /** The largest page that may be asked for: 1 to 100,000, by default 200. */
  public KeysetQueryBuilder<T> maxPageSize(int maxPageSize) {
    this.maxPageSize = maxPageSize;
    return this;
  }

  /**
   * jOOQ settings for rendering (quoting, schema mapping); copied. A mapping in the settings of the
   * {@code DSLContext} that a page is fetched with goes before the one given here.
   */
  public KeysetQueryBuilder<T> settings(Settings settings) {
    this.settings = settings;
    return this;
  }

  /** Where to report {@code pgbelay.keyset.page} and {@code pgbelay.keyset.cursor.refused}. */
  public KeysetQueryBuilder<T> meterRegistry(MeterRegistry registry) {
    this.registry = registry;
    return this;
  }

  /** What a row becomes. The record has the select's fields. */
  public <U> KeysetQueryBuilder<U> map(RecordMapper<? super Record, ? extends U> mapper) {
    return withRows(RowSource.ofRecord(outputs(), mapper));
  }

  /** What a row becomes, read from JDBC directly: no record is made. */
  public <U> KeysetQueryBuilder<U> mapRow(KeysetQuery.RowMapper<? extends U> mapper) {
    return withRows(RowSource.ofResultSet(mapper));
  }

  private List<Field<?>> outputs() {
    return new ArrayList<>(select.getSelect());
  }

  @SuppressWarnings("unchecked") // nothing typed by T exists before a mapper is given
  private <U> KeysetQueryBuilder<U> withRows(RowSource<U> source) {
    KeysetQueryBuilder<U> typed = (KeysetQueryBuilder<U>) this;
    typed.rows = source;
    return typed;
  }

  /**
   * Checks and freezes the query. No database is asked.
   *
   * @throws InvalidKeysetQueryException with the reason and what to declare
   */
  public KeysetQuery<T> build() {
    if (name.isBlank()) {
      throw refused("the name must not be blank");
    }
    if (maxPageSize < 1 || maxPageSize > HIGHEST_MAX_PAGE_SIZE) {
      throw refused(
          "maxPageSize must be 1 to %d, but is %d".formatted(HIGHEST_MAX_PAGE_SIZE, maxPageSize));
    }
    if (codec == null) {
      throw refused("no cursor codec; give one with cursors(CursorCodec.signed(keyRing))");
    }
    Renderer renderer = new Renderer(settings);
    List<Field<?>> tieBreaker = unique.isEmpty() ? OrderResolver.primaryKey(select) : unique;
    List<SortKey> keys =
        new OrderResolver(name, renderer, tieBreaker, notNull, nullable).resolve(order);
    BaseSelect base = BaseSelect.of(name, select, keys, renderer);
    PreparedQuery<T> prepared =
        new PreparedQuery<>(
            new PreparedQuery.Parts<>(
                name,
                identity,
                base,
                rowSource(),
                codec,
                registry == null ? KeysetMetrics.NONE : new MicrometerKeysetMetrics(registry, name),
                maxPageSize),
            renderer);
    return new KeysetQuery<>(prepared, FilterValues.of(name, prepared.text()), "");
  }

  @SuppressWarnings("unchecked") // without a mapper, T is Record
  private RowSource<T> rowSource() {
    return rows != null ? rows : (RowSource<T>) RowSource.ofRecord(outputs(), r -> r);
  }

  private InvalidKeysetQueryException refused(String rule) {
    return new InvalidKeysetQueryException(OPTION, "query '%s': %s".formatted(name, rule));
  }
}
