package dev.pgbelay.batch;

import dev.pgbelay.batch.RowWrites.UntoldFatesException;
import dev.pgbelay.batch.ShapeSql.Source;
import java.sql.SQLException;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Rows that are kept here and sent as arrays. */
final class ArrayUnit<R> implements WriteUnit, RowWrites.Sent {
  private final RowWrites<R> writes;
  private final ArrayEncoder<R> encoder;
  private final List<R> rows;
  private final int first;

  /** What the encoder holds: all rows but these; null where it holds something else. */
  private @Nullable BitSet encodedWithout;

  /**
   * @param rows the rows of the unit
   * @param first the place of the first of them in the input
   * @param encoded which rows the encoder does not hold; null where it does not hold the others
   */
  ArrayUnit(
      RowWrites<R> writes,
      ArrayEncoder<R> encoder,
      List<R> rows,
      int first,
      @Nullable BitSet encoded) {
    this.writes = writes;
    this.encoder = encoder;
    this.rows = rows;
    this.first = first;
    this.encodedWithout = encoded == null ? null : (BitSet) encoded.clone();
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
    encodeAll(leftOut);
    writes.write(Source.ARRAYS, encoder, this, thenRelease);
  }

  @Override
  public void probe(int from, int to, BitSet leftOut) throws SQLException {
    encode(from, to, leftOut);
    writes.probe(Source.ARRAYS, encoder);
  }

  @Override
  public void probeGroups(int from, int to, BitSet leftOut) throws SQLException {
    encodeAll(leftOut);
    encoder.selectGroups(ordinal(from, leftOut), ordinal(to, leftOut));
    writes.probeGroups(Source.ARRAYS, encoder);
  }

  @Override
  public void evaluate(int from, int to, BitSet leftOut) throws SQLException {
    encode(from, to, leftOut);
    writes.evaluate(Source.ARRAYS, encoder);
  }

  @Override
  public int[] group(int index, BitSet leftOut) throws SQLException {
    encodeAll(leftOut);
    int ordinal = ordinal(index, leftOut);
    encoder.selectGroups(ordinal, ordinal + 1);
    return writes
        .listGroup(Source.ARRAYS, encoder)
        .mapToInt(at -> encoder.row(at) - first)
        .toArray();
  }

  /** That of the row, or of the next one that is not left out. */
  private static int ordinal(int index, BitSet leftOut) {
    return index + 1 - leftOut.get(0, index).cardinality();
  }

  private void encodeAll(BitSet leftOut) {
    if (!leftOut.equals(encodedWithout)) {
      encode(0, rows.size(), leftOut);
      encodedWithout = (BitSet) leftOut.clone();
    }
  }

  private void encode(int from, int to, BitSet leftOut) {
    encodedWithout = null;
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
