package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.COUNT_CAP;
import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.KEYS;
import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.SIZE_ABOVE_CAP;
import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.SIZE_NOT_POSITIVE;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.keyset.PageStatement.Limits;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Select;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * A query that is read page by page: a select, a total order of its rows, and how a row becomes an
 * item. Every page costs the same however deep it lies, for any mix of directions and with NULLs,
 * provided that an index on the order exists ({@link KeysetCheck} says which one is missing).
 *
 * <p><b>Guarantee.</b> Walking from page to page in either direction over unchanged data gives
 * every row exactly once, in order. Rows that are inserted, deleted or given other keys meanwhile
 * cannot make a walk repeat or miss <em>another</em> row; a row that moves across the walk's
 * position may be seen twice or not at all, because it is in two places at two times.
 *
 * <p><b>Connections.</b> {@link #fetch} is one statement on the connection of the {@code
 * DSLContext} it is given: right under autocommit and within a transaction, which it neither ends
 * nor changes; the deadline of a transaction of {@code Transactions} is kept. It blocks for one
 * round trip. jOOQ renders a statement once per shape and mapping of names and takes no part in
 * later pages (so its execute listeners do not see them). Of the settings of the {@code
 * DSLContext}, the mapping of schemas and tables and the query timeout hold; all else is as given
 * to {@link KeysetQueryBuilder#settings}.
 *
 * <p>Built once and kept; immutable and safe for use by several threads, and so are the queries
 * that {@link #with} and {@link #inScope} return, which cost next to nothing.
 *
 * @param <T> what a row becomes
 */
public final class KeysetQuery<T> {
  private static final long MAX_COUNT = 1_000_000_000_000L;

  private final PreparedQuery<T> prepared;
  private final FilterValues filters;
  private final String scope;
  private final CursorBinding binding;

  KeysetQuery(PreparedQuery<T> prepared, FilterValues filters, String scope) {
    this.prepared = prepared;
    this.filters = filters;
    this.scope = scope;
    this.binding =
        new CursorBinding(
            prepared.name(), prepared.identity(), scope.getBytes(UTF_8), filters.canonical());
  }

  /**
   * Starts with a select: joins, filters, expressions, DISTINCT, GROUP BY, UNION and named
   * parameters ({@code DSL.param("customer", Long.class)}) are all right; an ORDER BY is not, it
   * goes into {@link KeysetQueryBuilder#orderBy}. The select is not changed.
   */
  public static KeysetQueryBuilder<Record> from(Select<?> select) {
    return new KeysetQueryBuilder<>(select);
  }

  /** Starts with all columns and rows of a table that jOOQ knows the columns of. */
  public static KeysetQueryBuilder<Record> from(Table<?> table) {
    return from(DSL.select(table.fields()).from(table));
  }

  /**
   * The same query with a value for a named parameter of its select. Cursors are good only for the
   * values under which they were made.
   *
   * @throws InvalidPageRequestException if the select has no such parameter, or the value does not
   *     fit its type
   */
  public KeysetQuery<T> with(String parameter, @Nullable Object value) {
    return new KeysetQuery<>(prepared, filters.with(parameter, value), scope);
  }

  /**
   * The same query for one tenant, principal or whatever else its rows are visible to. A cursor is
   * refused in every other scope. This binds cursors; it does not filter rows.
   *
   * @throws InvalidPageRequestException if the scope is empty
   */
  public KeysetQuery<T> inScope(String scope) {
    if (scope.isEmpty()) {
      throw new InvalidPageRequestException(
          InvalidPageRequestException.Reason.VALUE_UNUSABLE,
          "query '%s': the scope is empty, which would be the same as none; give the tenant or principal, or leave inScope out"
              .formatted(prepared.name()));
    }
    return new KeysetQuery<>(prepared, filters, scope);
  }

  /**
   * Reads one page.
   *
   * @throws InvalidPageRequestException for a size below 1 or above the cap, unusable deep-link
   *     keys, or a parameter without a value; before any SQL runs
   * @throws InvalidCursorException for any cursor that this query, scope and filters did not make,
   *     or that expired; before any SQL runs
   * @throws InvalidKeysetQueryException if a key has another type on the server than in jOOQ (found
   *     once, by the first page, before it hands on a row), if two rows turn out to have the same
   *     keys or NULL where none was declared, or if {@code dsl} has visit listeners
   * @throws org.jooq.exception.DataAccessException if the statement fails, with the driver's
   *     exception as its cause
   */
  public Page<T> fetch(DSLContext dsl, PageRequest request) {
    long start = System.nanoTime();
    requireValid(request);
    filters.requireComplete();
    return under(dsl).page(dsl, request, start);
  }

  /** The same query with the names that the settings of {@code dsl} give its tables. */
  KeysetQuery<T> under(DSLContext dsl) {
    PreparedQuery<T> mapped = prepared.under(dsl);
    return mapped == prepared ? this : new KeysetQuery<>(mapped, filters, scope);
  }

  private Page<T> page(DSLContext dsl, PageRequest request, long start) {
    Boundary boundary = boundary(request);
    PageShape shape = PageShape.of(request, boundary);
    int before = shape.around() ? rowsBefore(request.size()) : 0;
    Limits limits =
        new Limits(
            request.size() - before + 1,
            before + 1,
            request.countCap().isPresent() ? request.countCap().getAsLong() + 1 : 0);
    prepared.meet(dsl);
    PageStatement statement = prepared.pageStatement(shape);
    PageRows<T> rows = prepared.reader().read(dsl, statement, limits, boundary, filters, shape);
    Page<T> page = PageAssembly.assemble(this, request, shape, boundary, limits, rows);
    prepared.metrics().page(request.position(), statement.plan(), System.nanoTime() - start);
    return page;
  }

  /** Of two rows one: a place behind the last row still shows the row before it. */
  private static int rowsBefore(int size) {
    return size == 2 ? 1 : (size - 1) / 2;
  }

  private void requireValid(PageRequest request) {
    if (request.size() < 1) {
      throw new InvalidPageRequestException(
          SIZE_NOT_POSITIVE,
          "query '%s': page size is %d, but must be 1 to %d"
              .formatted(prepared.name(), request.size(), prepared.maxPageSize()));
    }
    if (request.size() > prepared.maxPageSize()) {
      throw new InvalidPageRequestException(
          SIZE_ABOVE_CAP,
          "query '%s': page size %d is above the cap of %d (maxPageSize)"
              .formatted(prepared.name(), request.size(), prepared.maxPageSize()));
    }
    if (request.countCap().isPresent() && request.countCap().getAsLong() < 1) {
      throw new InvalidPageRequestException(
          COUNT_CAP,
          "query '%s': a count must be capped at 1 or more, but the cap is %d"
              .formatted(prepared.name(), request.countCap().getAsLong()));
    }
    if (request.countCap().isPresent() && request.countCap().getAsLong() > MAX_COUNT) {
      throw new InvalidPageRequestException(
          COUNT_CAP,
          "query '%s': a count must be capped at %d or less, but the cap is %d"
              .formatted(prepared.name(), MAX_COUNT, request.countCap().getAsLong()));
    }
    boolean ofOneEnd =
        request.position() == PageRequest.Position.FIRST
            || request.position() == PageRequest.Position.LAST;
    if (ofOneEnd && (request.cursor().isPresent() || !request.keys().isEmpty())) {
      throw new InvalidPageRequestException(
          KEYS,
          "query '%s': a request for the %s page has a cursor or keys, which would be passed over; ask for a page after or from them"
              .formatted(prepared.name(), request.position()));
    }
  }

  private Boundary boundary(PageRequest request) {
    return switch (request.position()) {
      case FIRST, LAST -> Boundary.NONE;
      case AFTER, BEFORE -> decode(request);
      case FROM, AROUND ->
          (request.cursor().isPresent() ? decode(request) : prepared.deepLink(request.keys()))
              .inclusive(true);
    };
  }

  private Boundary decode(PageRequest request) {
    return position(request.cursor().orElse(""));
  }

  Boundary position(String cursor) {
    try {
      return prepared.codec().decode(cursor, binding, prepared.keys());
    } catch (InvalidCursorException e) {
      prepared.metrics().cursorRefused(e.reason());
      throw e;
    }
  }

  String cursor(Boundary position) {
    return prepared.codec().encode(position, binding);
  }

  /**
   * How many rows the planner expects this query to have: one EXPLAIN, no row is read. Good for
   * "about 1,200,000 results"; how good is a matter of statistics.
   */
  public Page.Count estimateCount(DSLContext dsl) {
    filters.requireComplete();
    return new Page.Count(
        new Explain(prepared.under(dsl), filters).rows(dsl), Page.Count.Precision.ESTIMATE);
  }

  /**
   * The plans of all pages of this query: for every position, direction and pattern of NULLs the
   * branches and the SQL. Nothing is run. Each prints as a few lines.
   */
  public List<KeysetPlan> explainPlan() {
    return prepared.plans();
  }

  /** The name given with {@link KeysetQueryBuilder#named}, as in messages and metrics. */
  public String name() {
    return prepared.name();
  }

  PreparedQuery<T> prepared() {
    return prepared;
  }

  FilterValues filters() {
    return filters;
  }

  @Override
  public String toString() {
    return "KeysetQuery[%s, order by %s]".formatted(prepared.name(), prepared.describeOrder());
  }

  /**
   * Turns the row that a result stands on into an item, without jOOQ in between.
   *
   * @param <T> the item
   */
  @FunctionalInterface
  public interface RowMapper<T> {
    /** The select's fields are columns 1 to n, in their order; further columns are not yours. */
    T map(ResultSet row) throws SQLException;
  }
}
