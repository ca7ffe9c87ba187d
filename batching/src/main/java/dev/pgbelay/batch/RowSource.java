package dev.pgbelay.batch;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/** The rows of a call, of which some may have been looked at before it was decided how they go. */
final class RowSource<R> {
  private final Iterator<? extends R> rows;
  private final Deque<R> ahead = new ArrayDeque<>();
  private int given;

  RowSource(Iterator<? extends R> rows) {
    this.rows = rows;
  }

  /** Whether at least {@code count} rows are left. */
  boolean holds(int count) {
    while (ahead.size() < count && rows.hasNext()) {
      ahead.add(checked(rows.next(), given + ahead.size()));
    }
    return ahead.size() >= count;
  }

  boolean isEmpty() {
    return ahead.isEmpty() && !rows.hasNext();
  }

  /** The place in the input of the row that {@link #next} gives. */
  int place() {
    return given;
  }

  R next() {
    R row = ahead.isEmpty() ? checked(rows.next(), given) : ahead.remove();
    given = Math.incrementExact(given);
    return row;
  }

  /** Takes back the last rows that were given. */
  void pushBack(List<R> last) {
    for (int i = last.size() - 1; i >= 0; i--) {
      ahead.addFirst(last.get(i));
    }
    given -= last.size();
  }

  @SuppressWarnings("ConstantValue")
  private static <R> R checked(R row, int place) {
    if (row == null) {
      throw BatchException.contract("row " + place + " is null; leave it out of the input");
    }
    return row;
  }
}
