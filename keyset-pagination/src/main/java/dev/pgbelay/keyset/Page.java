package dev.pgbelay.keyset;

import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * One page, its items always in the order's own direction, whichever way the walk went. Immutable
 * as far as its items are.
 *
 * <p>{@link #next()} and {@link #previous()} are exact, as of the statement that read the page,
 * when they say {@code SOME} or {@code NONE}. On the side where the request came from they say
 * {@code NOT_ASKED} unless {@link PageRequest#withBothEnds()} was set; the cursor for that side is
 * given all the same, and leads to an empty page if nothing is there.
 *
 * <p><b>Empty pages.</b> Behind the end, {@link #nextCursor()} is empty and {@link
 * #previousCursor()} leads back to the rows up to and including the one that the request's cursor
 * named. Before the start it is the mirror image. Without rows at all both are empty, and so they
 * are on an empty page of a deep link by fewer values than the order has keys.
 *
 * @param items in the order's direction
 * @param cursors the cursor of each item; each is made when it is asked for
 * @param next whether rows exist behind the last item
 * @param previous whether rows exist before the first item
 * @param nextCursor for {@link PageRequest#after}; empty if {@code next} is {@code NONE}
 * @param previousCursor for {@link PageRequest#before}; empty if {@code previous} is {@code NONE}
 * @param count present exactly when {@link PageRequest#withCountUpTo(long)} was set
 */
public record Page<T>(
    List<T> items,
    List<String> cursors,
    Neighbour next,
    Neighbour previous,
    Optional<String> nextCursor,
    Optional<String> previousCursor,
    Optional<Count> count) {

  /** What is known about the rows beside a page. */
  public enum Neighbour {
    SOME,
    NONE,
    /** It was not computed: ask with {@link PageRequest#withBothEnds()}. */
    NOT_ASKED
  }

  /**
   * How many rows a query has.
   *
   * @param rows a number of rows
   * @param precision what the number means
   */
  public record Count(long rows, Precision precision) {

    /** What a count means. */
    public enum Precision {
      /** The number of rows, as of the statement that counted. */
      EXACT,
      /** Counting stopped at the cap: there are this many rows or more. */
      AT_LEAST,
      /** The planner's estimate, from statistics; may be far off for filters on several columns. */
      ESTIMATE
    }
  }

  public Page {
    items = Collections.unmodifiableList(items);
  }

  /**
   * Whether rows exist behind the last item.
   *
   * @throws IllegalStateException if that was not computed: a page read backward knows it only with
   *     {@link PageRequest#withBothEnds()}
   */
  public boolean hasNext() {
    return exists(next, "next");
  }

  /**
   * Whether rows exist before the first item.
   *
   * @throws IllegalStateException if that was not computed: a page read forward from a cursor knows
   *     it only with {@link PageRequest#withBothEnds()}
   */
  public boolean hasPrevious() {
    return exists(previous, "previous");
  }

  private static boolean exists(Neighbour neighbour, String side) {
    if (neighbour == Neighbour.NOT_ASKED) {
      throw new IllegalStateException(
          "whether a "
              + side
              + " page exists was not computed for this page; ask with PageRequest.withBothEnds()");
    }
    return neighbour == Neighbour.SOME;
  }

  public boolean isEmpty() {
    return items.isEmpty();
  }
}
