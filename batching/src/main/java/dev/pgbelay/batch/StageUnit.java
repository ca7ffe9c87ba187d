package dev.pgbelay.batch;

import dev.pgbelay.batch.RowWrites.UntoldFatesException;
import dev.pgbelay.batch.ShapeSql.Source;
import java.sql.Array;
import java.sql.SQLException;
import java.util.BitSet;
import java.util.stream.IntStream;

/** Rows that stand in a temporary table, each under its place in the input. */
final class StageUnit<R> implements WriteUnit, RowWrites.Sent, BatchConnection.Values {
  private final RowWrites<R> writes;
  private final BatchConnection connection;
  private final int size;
  private int from;
  private int to;
  private BitSet leftOut = new BitSet();
  private int firstGroup;
  private int endGroup;

  StageUnit(RowWrites<R> writes, BatchConnection connection, int size) {
    this.writes = writes;
    this.connection = connection;
    this.size = size;
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public int row(int index) {
    return index;
  }

  @Override
  public void write(BitSet without, boolean thenRelease) throws SQLException, UntoldFatesException {
    select(0, size, without);
    writes.write(Source.STAGE, this, this, thenRelease);
  }

  @Override
  public void probe(int first, int end, BitSet without) throws SQLException {
    select(first, end, without);
    writes.probe(Source.STAGE, this);
  }

  @Override
  public void probeGroups(int first, int end, BitSet without) throws SQLException {
    selectGroups(first, end, without);
    writes.probeGroups(Source.STAGE, this);
  }

  @Override
  public void evaluate(int first, int end, BitSet without) throws SQLException {
    select(first, end, without);
    writes.evaluate(Source.STAGE, this);
  }

  @Override
  public int[] group(int first, BitSet without) throws SQLException {
    selectGroups(first, first + 1, without);
    return writes.listGroup(Source.STAGE, this).mapToInt(place -> (int) place).toArray();
  }

  private void selectGroups(int first, int end, BitSet without) {
    select(0, size, without);
    firstGroup = first;
    endGroup = end;
  }

  @Override
  public long firstGroup() {
    return firstGroup;
  }

  @Override
  public long endGroup() {
    return endGroup;
  }

  private void select(int first, int end, BitSet without) {
    this.from = first;
    this.to = end;
    this.leftOut = without;
  }

  @Override
  public int count() {
    return to - from - leftOut.get(from, to).cardinality();
  }

  @Override
  public int place(long ordinal) {
    return (int) ordinal;
  }

  @Override
  public IntStream places() {
    return IntStream.range(from, to).filter(row -> !leftOut.get(row));
  }

  @Override
  public long from() {
    return from;
  }

  @Override
  public long to() {
    return to;
  }

  @Override
  public Array excluded() throws SQLException {
    Long[] rows = leftOut.stream().mapToObj(row -> (long) row).toArray(Long[]::new);
    return connection.connection().createArrayOf("bigint", rows);
  }

  @Override
  public Array values(int column) {
    throw new IllegalStateException("a stage holds no arrays");
  }

  @Override
  public Array defaults(int column) {
    throw new IllegalStateException("a stage holds no arrays");
  }
}
