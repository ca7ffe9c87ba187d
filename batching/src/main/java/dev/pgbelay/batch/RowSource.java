package dev.pgbelay.batch;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The rows of a call, of which some may have been looked at before it was decided how they go. */
final class RowSource<R> {
  private final Iterator<? extends R> rows;
  private final int expected;
  private final Deque<R> ahead = new ArrayDeque<>();
  private int given;
  private @Nullable RowLengths<R> lengths;
  private long mostBytes = Long.MAX_VALUE;
  private long aheadBytes;

  RowSource(Iterator<? extends R> rows) {
    this(rows, 0);
  }

  private RowSource(Iterator<? extends R> rows, int expected) {
    this.rows = rows;
    this.expected = expected;
  }

  /** Rows of Java's own collections are there already: to pull one asks nobody for anything. */
  static <R> RowSource<R> of(Iterable<? extends R> rows) {
    boolean atHand =
        rows instanceof Collection<?> && rows.getClass().getName().startsWith("java.util.");
    return new RowSource<>(rows.iterator(), atHand ? ((Collection<?>) rows).size() : 0);
  }

  boolean isAtHand() {
    return expected > 0;
  }

  /** Whether more than {@code count} rows are left of those that are at hand. */
  boolean hasMoreThan(int count) {
    return expected - given > count;
  }

  /** From now on no more than so many bytes are looked ahead. */
  void measureBy(RowLengths<R> by, long most) {
    lengths = by;
    mostBytes = most;
  }

  /** Whether at least {@code count} rows are left, or fewer that fill a chunk. */
  boolean holds(int count) {
    if (expected - given >= count) {
      return true;
    }
    while (ahead.size() < count && aheadBytes < mostBytes && rows.hasNext()) {
      R row = checked(rows.next(), given + ahead.size());
      ahead.add(row);
      aheadBytes += lengths == null ? 0 : lengths.of(row);
    }
    return ahead.size() >= count || aheadBytes >= mostBytes;
  }

  boolean isEmpty() {
    return ahead.isEmpty() && !rows.hasNext();
  }

  /** The place in the input of the row that {@link #next} gives. */
  int place() {
    return given;
  }

  R next() {
    R row;
    if (ahead.isEmpty()) {
      row = checked(rows.next(), given);
    } else {
      aheadBytes -= aheadBytes / ahead.size();
      row = ahead.remove();
    }
    given = Math.incrementExact(given);
    return row;
  }

  /** Takes back the last rows that were given. */
  void pushBack(List<R> last) {
    for (int i = last.size() - 1; i >= 0; i--) {
      ahead.addFirst(last.get(i));
    }
    given -= last.size();
    aheadBytes += lengths == null ? 0 : last.size() * lengths.last();
  }

  @SuppressWarnings("ConstantValue")
  private static <R> R checked(R row, int place) {
    if (row == null) {
      throw BatchException.contract("row " + place + " is null; leave it out of the input");
    }
    return row;
  }
}
