package dev.pgbelay.keyset;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Which page is wanted: what a client may say. Filters and scope are not in it, they belong to the
 * query ({@link KeysetQuery#with}, {@link KeysetQuery#inScope}). Sizes are checked by the query
 * before any SQL runs. Immutable.
 *
 * @param position where the page lies
 * @param cursor the cursor that {@code position} refers to, as a client sent it
 * @param keys the values of a deep link, for the order's leading keys; NULL is a value
 * @param size rows wanted, 1 up to the query's cap
 * @param bothEnds whether to compute {@link Page#next()} and {@link Page#previous()} exactly also
 *     on the side where the request came from
 * @param countCap if present, count the query's rows but stop at this many
 */
public record PageRequest(
    Position position,
    Optional<String> cursor,
    List<@Nullable Object> keys,
    int size,
    boolean bothEnds,
    OptionalLong countCap) {

  /** Where a page lies. */
  public enum Position {
    /** The start of the order. */
    FIRST,
    /** The end of the order; items still come in the order's direction. */
    LAST,
    /** Right behind the cursor's row. */
    AFTER,
    /** Right before the cursor's row; items still come in the order's direction. */
    BEFORE,
    /** At the cursor's row or the given keys, that row included: a deep link. */
    FROM,
    /** The cursor's row or the given keys in the middle. */
    AROUND
  }

  public PageRequest {
    keys = Collections.unmodifiableList(Arrays.asList(keys.toArray()));
  }

  /** The first page. */
  public static PageRequest first(int size) {
    return at(Position.FIRST, null, size);
  }

  /** The last page, in the order's direction. */
  public static PageRequest last(int size) {
    return at(Position.LAST, null, size);
  }

  /** The page behind a cursor. */
  public static PageRequest after(String cursor, int size) {
    return at(Position.AFTER, cursor, size);
  }

  /** The page before a cursor. */
  public static PageRequest before(String cursor, int size) {
    return at(Position.BEFORE, cursor, size);
  }

  /** The page that starts with the cursor's own row, or where that row was. */
  public static PageRequest from(String cursor, int size) {
    return at(Position.FROM, cursor, size);
  }

  /**
   * A page with the cursor's own row in the middle, shorter if the order starts or ends nearby. Of
   * one row it is that row or the next one, and empty behind the last.
   */
  public static PageRequest around(String cursor, int size) {
    return at(Position.AROUND, cursor, size);
  }

  /**
   * The page that starts at these values of the order's leading keys, inclusive: a deep link. Fewer
   * values than keys are a prefix ("from this day on"). The values come from your own code: they
   * are bound, not signed.
   *
   * <p>A {@code date}, {@code timestamp} or {@code timestamptz} key also takes the strings {@code
   * "infinity"} and {@code "-infinity"}.
   */
  public static PageRequest fromKeys(int size, @Nullable Object... keys) {
    return atKeys(Position.FROM, size, keys);
  }

  /** As {@link #fromKeys}, with that place in the middle of the page. */
  public static PageRequest aroundKeys(int size, @Nullable Object... keys) {
    return atKeys(Position.AROUND, size, keys);
  }

  private static PageRequest at(Position position, @Nullable String cursor, int size) {
    return new PageRequest(
        position, Optional.ofNullable(cursor), List.of(), size, false, OptionalLong.empty());
  }

  private static PageRequest atKeys(
      Position position, int size, @Nullable Object @Nullable [] given) {
    // fromKeys(50, null) means one NULL; Java passes no array.
    @Nullable Object[] keys = given == null ? new @Nullable Object[] {null} : given;
    return new PageRequest(
        position, Optional.empty(), Arrays.asList(keys), size, false, OptionalLong.empty());
  }

  /**
   * Also compute whether rows exist on the side where the request came from: one index probe more,
   * in the same statement.
   */
  public PageRequest withBothEnds() {
    return new PageRequest(position, cursor, keys, size, true, countCap);
  }

  /**
   * Also count the query's rows, all pages together, but no further than {@code cap}: in the same
   * statement, and it reads up to that many rows on every page. 1 to 10<sup>12</sup>.
   */
  public PageRequest withCountUpTo(long cap) {
    return new PageRequest(position, cursor, keys, size, bothEnds, OptionalLong.of(cap));
  }

  /** Without the cursor and the keys, which may be personal data. */
  @Override
  public String toString() {
    return "PageRequest[position=%s, size=%d, bothEnds=%s, countCap=%s]"
        .formatted(position, size, bothEnds, countCap);
  }
}
