package dev.pgbelay.batch;

import java.sql.SQLException;
import java.util.BitSet;

/** Rows that one statement writes, or any part of them. */
interface WriteUnit {
  /** How many rows there are, with those that are left out. */
  int size();

  /** The place in the input of row {@code index}. */
  int row(int index);

  /** Writes the rows and records their fates. */
  void write(BitSet leftOut, boolean thenRelease)
      throws SQLException, RowWrites.UntoldFatesException;

  /** Writes rows {@code from} to, not including, {@code to}, only to see whether it can be done. */
  void probe(int from, int to, BitSet leftOut) throws SQLException;

  /**
   * Writes what becomes of the keys whose first row is one of {@code from} to, not including,
   * {@code to}, with all of their rows, only to see whether it can be done.
   */
  void probeGroups(int from, int to, BitSet leftOut) throws SQLException;

  /** Computes rows {@code from} to, not including, {@code to}, and writes nothing. */
  void evaluate(int from, int to, BitSet leftOut) throws SQLException;

  /** The rows that have the key of row {@code first}, which is the first of them. */
  int[] group(int first, BitSet leftOut) throws SQLException;
}
