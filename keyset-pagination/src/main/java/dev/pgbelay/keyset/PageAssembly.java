package dev.pgbelay.keyset;

import dev.pgbelay.keyset.Page.Count;
import dev.pgbelay.keyset.Page.Neighbour;
import dev.pgbelay.keyset.PageStatement.Limits;
import java.util.AbstractList;
import java.util.List;
import java.util.Optional;
import java.util.RandomAccess;

/** Makes a page of the rows that were read: one row too many says that more exist. */
final class PageAssembly {
  private PageAssembly() {}

  static <T> Page<T> assemble(
      KeysetQuery<T> query,
      PageRequest request,
      PageShape shape,
      Boundary boundary,
      Limits limits,
      PageRows<T> rows) {
    Neighbour next;
    Neighbour previous;
    if (shape.around()) {
      previous = rows.before == limits.rowsBefore() ? Neighbour.SOME : Neighbour.NONE;
      next = rows.items.size() - rows.before == limits.rows() ? Neighbour.SOME : Neighbour.NONE;
      trimStart(rows, previous);
      trimEnd(rows, next);
    } else {
      Neighbour ahead = rows.items.size() == limits.rows() ? Neighbour.SOME : Neighbour.NONE;
      trimEnd(rows, ahead);
      Neighbour behind = behind(shape, rows);
      if (shape.backward()) {
        rows.reverse();
      }
      next = shape.backward() ? behind : ahead;
      previous = shape.backward() ? ahead : behind;
    }
    return new Page<>(
        rows.items,
        new Cursors(query, rows.positions),
        next,
        previous,
        next == Neighbour.NONE ? Optional.empty() : edge(query, rows, boundary, true),
        previous == Neighbour.NONE ? Optional.empty() : edge(query, rows, boundary, false),
        count(request, rows));
  }

  private static Neighbour behind(PageShape shape, PageRows<?> rows) {
    if (shape.keyCount() == 0) {
      return Neighbour.NONE;
    }
    if (!shape.bothEnds()) {
      return Neighbour.NOT_ASKED;
    }
    return rows.otherEnd ? Neighbour.SOME : Neighbour.NONE;
  }

  private static void trimStart(PageRows<?> rows, Neighbour previous) {
    if (previous == Neighbour.SOME) {
      rows.removeFirst();
    }
  }

  private static void trimEnd(PageRows<?> rows, Neighbour next) {
    if (next == Neighbour.SOME) {
      rows.removeLast();
    }
  }

  /**
   * The cursor that leads on from one end. From an empty page, back to where the request came from:
   * its position with the inclusion turned, so that the row it named is not lost.
   */
  private static <T> Optional<String> edge(
      KeysetQuery<T> query, PageRows<T> rows, Boundary boundary, boolean atEnd) {
    if (!rows.positions.isEmpty()) {
      int index = atEnd ? rows.positions.size() - 1 : 0;
      return Optional.of(query.cursor(rows.positions.get(index)));
    }
    if (boundary.length() < query.prepared().keys().size()) {
      return Optional.empty();
    }
    return Optional.of(query.cursor(boundary.inclusive(!boundary.isInclusive())));
  }

  private static Optional<Count> count(PageRequest request, PageRows<?> rows) {
    if (request.countCap().isEmpty()) {
      return Optional.empty();
    }
    long cap = request.countCap().getAsLong();
    return Optional.of(
        rows.counted > cap
            ? new Count(cap, Count.Precision.AT_LEAST)
            : new Count(rows.counted, Count.Precision.EXACT));
  }

  /** Signing costs more than reading a row: only the cursors that are looked at are made. */
  private static final class Cursors extends AbstractList<String> implements RandomAccess {
    private final KeysetQuery<?> query;
    private final List<Boundary> positions;

    Cursors(KeysetQuery<?> query, List<Boundary> positions) {
      this.query = query;
      this.positions = positions;
    }

    @Override
    public String get(int index) {
      return query.cursor(positions.get(index));
    }

    @Override
    public int size() {
      return positions.size();
    }
  }
}
