package dev.pgbelay.batch;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchResult.Rejection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Fates as they become known; {@link BatchResult} when all are. */
final class Outcomes {
  private static final byte UNKNOWN = -1;

  private final boolean countsOnly;
  private final List<ReturnedColumn> returned;
  private final List<Rejection> rejections = new ArrayList<>();
  private byte[] codes = new byte[64];
  private int size;
  private int refused;
  private long counted;

  Outcomes(boolean countsOnly, List<PgColumn> returned) {
    this.countsOnly = countsOnly;
    this.returned = returned.stream().map(ReturnedColumn::new).toList();
  }

  /** Makes room for rows whose fate is not known yet. */
  void grow(int newSize) {
    if (newSize > codes.length) {
      codes = Arrays.copyOf(codes, (int) Math.max(newSize, Math.min(codes.length * 2L, 1 << 30)));
    }
    Arrays.fill(codes, size, newSize, UNKNOWN);
    size = newSize;
  }

  int size() {
    return size;
  }

  boolean isUnknown(int row) {
    return codes[row] == UNKNOWN;
  }

  /** All rows from there on whose fate is not known yet have this one. */
  void fill(int from, Outcome outcome) {
    byte code = outcome.code();
    for (int row = from; row < size; row++) {
      if (codes[row] == UNKNOWN) {
        codes[row] = code;
      }
    }
  }

  void set(int row, Outcome outcome) {
    codes[row] = outcome.code();
  }

  Outcome get(int row) {
    return Outcome.of(codes[row]);
  }

  boolean has(int row, Outcome outcome) {
    return codes[row] == outcome.code();
  }

  /** The database refused the row, or it does not fit its column. */
  void reject(Rejection rejection) {
    rejectDuplicate(rejection);
    refused++;
  }

  /** Another row of the call has its key, which no search is needed to find out. */
  void rejectDuplicate(Rejection rejection) {
    rejections.add(rejection);
    set(rejection.row(), Outcome.REJECTED);
  }

  /** Rows rejected for their own sake. */
  int refused() {
    return refused;
  }

  /** Rows written whose fates were not asked for. */
  void addWritten(long rows) {
    counted += rows;
  }

  /** Reads the returned columns of a row, which begin at {@code index}. */
  void readReturned(int row, ResultSet from, int index) throws SQLException {
    for (int i = 0; i < returned.size(); i++) {
      returned.get(i).read(row, from, index + i);
    }
  }

  long counted() {
    return counted;
  }

  /** Forgets rows that were counted and then rolled back. */
  void resetCounted(long before) {
    counted = before;
  }

  BatchResult toResult(WritePlan.Operation operation, WritePlan.Path path) {
    long[] counts = new long[Outcome.values().length];
    for (int row = 0; row < size; row++) {
      if (codes[row] != UNKNOWN) {
        counts[codes[row]]++;
      }
    }
    long written =
        counted
            + counts[Outcome.INSERTED.code()]
            + counts[Outcome.UPDATED.code()]
            + counts[Outcome.DELETED.code()];
    rejections.sort(Comparator.comparingInt(Rejection::row));
    return new BatchResult(
        operation,
        path,
        size,
        countsOnly ? null : Arrays.copyOf(codes, size),
        counts,
        written,
        rejections,
        returned);
  }
}
