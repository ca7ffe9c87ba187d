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
  /** Tries the places {@code from} to, not including, {@code to}, without some rows. */
  interface Trial {
    void run(int from, int to, BitSet without) throws SQLException;
  }

  /** Names the row that makes a place fail. */
  interface Blame {
    Bad of(int place, SQLException failure, BitSet without) throws SQLException;
  }

  /** A row and the failure that it brought about. */
  record Bad(int index, SQLException failure) {}

  static final int MAX_LIVE = 16;
  private static final String OUTER = "pgbelay_search";

  private final BatchConnection connection;
  private final Probes probes;
  private final int size;
  private final Trial trial;
  private final Blame blame;
  private final int limit;

  /**
   * @param size how many places there are
   * @param limit how many rows to find before giving up
   */
  Bisection(
      BatchConnection connection, Probes probes, int size, Trial trial, Blame blame, int limit) {
    this.connection = connection;
    this.probes = probes;
    this.size = size;
    this.trial = trial;
    this.blame = blame;
    this.limit = limit;
  }

  /** The bad rows by their index, each with the failure it brought about. */
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
    while (good < size) {
      SQLException failure = fails(good, size, without);
      if (failure == null) {
        return;
      }
      int fits = good;
      int end = size;
      while (end - fits > 1) {
        int middle = (fits + end) >>> 1;
        SQLException half = fails(good, middle, without);
        if (half == null) {
          fits = middle;
        } else {
          end = middle;
          failure = half;
        }
      }
      Bad bad = blame.of(fits, failure, without);
      found.put(bad.index(), bad.failure());
      without.set(bad.index());
      if (found.size() >= limit) {
        return;
      }
      if (++live > MAX_LIVE) {
        connection.rewind();
        good = 0;
        live = 1;
      }
      // What is known to be good stays written while the rest is searched, for a row may be bad
      // only in company of an earlier one.
      if (fits > good && keep(good, fits, without) != null) {
        return;
      }
      good = fits;
    }
  }

  private @Nullable SQLException fails(int from, int to, BitSet without) throws SQLException {
    return isEmpty(from, to, without) ? null : probes.attempt(() -> trial.run(from, to, without));
  }

  private @Nullable SQLException keep(int from, int to, BitSet without) throws SQLException {
    return isEmpty(from, to, without) ? null : probes.keep(() -> trial.run(from, to, without));
  }

  private static boolean isEmpty(int from, int to, BitSet without) {
    return without.get(from, to).cardinality() == to - from;
  }
}
