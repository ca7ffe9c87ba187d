package dev.pgbelay.batch;

import dev.pgbelay.batch.Bisection.Bad;
import java.sql.SQLException;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Finds the rows of a unit that the database refuses. What is judged is what would be written: of
 * rows with one key that is one row, and a row is to blame only if it is in it. Which row is found
 * depends on the rows with the same key and on no others.
 */
final class RowSearch {
  private final BatchConnection connection;
  private final Shape<?> shape;
  private final WriteUnit unit;
  private final Probes probes;
  private final int limit;

  /**
   * @param limit how many rows to find before giving up
   */
  RowSearch(BatchConnection connection, Shape<?> shape, WriteUnit unit, Probes probes, int limit) {
    this.connection = connection;
    this.shape = shape;
    this.unit = unit;
    this.probes = probes;
    this.limit = limit;
  }

  /** The bad rows by their index in the unit, each with the failure it brought about. */
  Map<Integer, SQLException> find(BitSet leftOut) throws SQLException {
    if (!shape.writesGroups()) {
      return bisect(unit::probe, RowSearch::itself, limit).find(leftOut);
    }
    Map<Integer, SQLException> found = new LinkedHashMap<>();
    BitSet without = (BitSet) leftOut.clone();
    if (shape.mayFailToEvaluate()) {
      found.putAll(bisect(unit::evaluate, RowSearch::itself, limit).find(without));
      found.keySet().forEach(without::set);
    }
    if (found.size() < limit) {
      found.putAll(bisect(unit::probeGroups, this::inGroup, limit - found.size()).find(without));
    }
    return found;
  }

  private Bisection bisect(Bisection.Trial trial, Bisection.Blame blame, int most) {
    return new Bisection(connection, probes, unit.size(), trial, blame, most);
  }

  private static Bad itself(int place, SQLException failure, BitSet without) {
    return new Bad(place, failure);
  }

  /** Who is to blame where the row that is made of those with the key of {@code first} fails. */
  private Bad inGroup(int first, SQLException failure, BitSet without) throws SQLException {
    Duplicates duplicates = shape.settings().duplicates();
    if (!duplicates.folds() && duplicates.kept() != Duplicates.Kept.LAST) {
      return new Bad(first, failure);
    }
    int[] group = unit.group(first, without);
    return duplicates.folds()
        ? inFold(group, failure, without)
        : new Bad(group[group.length - 1], failure);
  }

  /** The row with which a fold that was fine up to it begins to fail. */
  private Bad inFold(int[] group, SQLException whole, BitSet without) throws SQLException {
    SQLException failure = whole;
    int fits = 0;
    int fails = group.length;
    while (fails - fits > 1) {
      int middle = (fits + fails) >>> 1;
      BitSet shorter = (BitSet) without.clone();
      for (int i = middle; i < group.length; i++) {
        shorter.set(group[i]);
      }
      SQLException half = probes.attempt(() -> unit.probeGroups(group[0], group[0] + 1, shorter));
      if (half == null) {
        fits = middle;
      } else {
        fails = middle;
        failure = half;
      }
    }
    return new Bad(group[fits], failure);
  }
}
