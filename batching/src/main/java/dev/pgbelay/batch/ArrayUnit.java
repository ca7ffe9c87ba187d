package dev.pgbelay.batch;

import dev.pgbelay.batch.RowWrites.UntoldFatesException;
import dev.pgbelay.batch.ShapeSql.Source;
import java.sql.SQLException;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/** Rows that are kept here and sent as arrays. */
final class ArrayUnit<R> implements WriteUnit, RowWrites.Sent {
  private final RowWrites<R> writes;
  private final ArrayEncoder<R> encoder;
  private final List<R> rows;
  private final int first;
  private boolean encoded;

  /**
   * @param rows already encoded in full
   * @param first the place of the first of them in the input
   */
  ArrayUnit(
      RowWrites<R> writes, ArrayEncoder<R> encoder, List<R> rows, int first, boolean encoded) {
    this.writes = writes;
    this.encoder = encoder;
    this.rows = rows;
    this.first = first;
    this.encoded = encoded;
  }

  @Override
  public int size() {
    return rows.size();
  }

  @Override
  public int row(int index) {
    return first + index;
  }

  @Override
  public void write(BitSet leftOut, boolean thenRelease) throws SQLException, UntoldFatesException {
    if (!encoded) {
      encode(0, rows.size(), leftOut);
    }
    encoded = false;
    writes.write(Source.ARRAYS, encoder, this, thenRelease);
  }

  @Override
  public void probe(int from, int to, BitSet leftOut) throws SQLException {
    encode(from, to, leftOut);
    encoded = false;
    writes.probe(Source.ARRAYS, encoder);
  }

  private void encode(int from, int to, BitSet leftOut) {
    encoder.clear();
    for (int i = leftOut.nextClearBit(from); i < to; i = leftOut.nextClearBit(i + 1)) {
      encoder.add(rows.get(i), first + i);
    }
  }

  @Override
  public int count() {
    return encoder.size();
  }

  @Override
  public int place(long ordinal) {
    return encoder.row(ordinal);
  }

  @Override
  public IntStream places() {
    return IntStream.rangeClosed(1, encoder.size()).map(encoder::row);
  }
}
