package dev.pgbelay.batch;

import java.sql.SQLException;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the rows that make a statement fail, in O(k log n) statements for k of them. Everything it
 * writes it rolls back, and never are more than {@link #MAX_LIVE} subtransactions of it alive.
 */
final class Bisection {
  static final int MAX_LIVE = 32;
  private static final String OUTER = "pgbelay_search";
  private static final String INNER = "pgbelay_probe";

  private final BatchConnection connection;
  private final WriteUnit unit;
  private final boolean rowSecurity;
  private final int limit;
  private long probes;

  /**
   * @param limit how many rows to find before giving up
   */
  Bisection(BatchConnection connection, WriteUnit unit, boolean rowSecurity, int limit) {
    this.connection = connection;
    this.unit = unit;
    this.rowSecurity = rowSecurity;
    this.limit = limit;
  }

  long probes() {
    return probes;
  }

  /** The bad rows by their index in the unit, each with the failure it brought about. */
  Map<Integer, SQLException> find(BitSet leftOut) throws SQLException {
    Map<Integer, SQLException> found = new LinkedHashMap<>();
    BitSet without = (BitSet) leftOut.clone();
    connection.savepoint(OUTER);
    connection.flush();
    try {
      search(found, without);
    } catch (Throwable t) {
      connection.unwind(OUTER, t);
      throw t;
    }
    connection.unwind(OUTER, null);
    return found;
  }

  private void search(Map<Integer, SQLException> found, BitSet without) throws SQLException {
    int good = 0;
    int live = 0;
    int size = unit.size();
    while (good < size && found.size() < limit) {
      SQLException failure = probe(good, size, without, false);
      if (failure == null) {
        return;
      }
      int fits = good;
      int fails = size;
      while (fails - fits > 1) {
        int middle = (fits + fails) >>> 1;
        SQLException half = probe(good, middle, without, false);
        if (half == null) {
          fits = middle;
        } else {
          fails = middle;
          failure = half;
        }
      }
      int bad = fails - 1;
      found.put(bad, failure);
      without.set(bad);
      if (found.size() >= limit || fails >= size) {
        return;
      }
      if (++live > MAX_LIVE) {
        connection.rewind();
        good = 0;
        live = 1;
      }
      // What is known to be good stays written while the rest is searched, for a row may be bad
      // only in company of an earlier one.
      if (bad > good && probe(good, bad, without, true) != null) {
        return;
      }
      good = fails;
    }
  }

  private @Nullable SQLException probe(int from, int to, BitSet without, boolean keep)
      throws SQLException {
    if (without.get(from, to).cardinality() == to - from) {
      return null;
    }
    probes++;
    connection.savepoint(INNER);
    connection.flush();
    try {
      unit.probe(from, to, without);
    } catch (SQLException e) {
      connection.rollback();
      if (!RowFailure.is(e, rowSecurity)) {
        throw e;
      }
      return e;
    }
    if (keep) {
      connection.release();
    } else {
      connection.rollback();
    }
    return null;
  }
}
