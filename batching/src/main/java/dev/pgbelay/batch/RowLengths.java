package dev.pgbelay.batch;

/** How many bytes rows have once they are encoded, told by some of them. */
final class RowLengths<R> {
  private static final int ONE_IN = 8;

  private final Iterable<ShapeColumn<R>> columns;
  private final ByteSink scratch = new ByteSink(256);
  private long random = 0x9E3779B97F4A7C15L;
  private long last;

  RowLengths(Iterable<ShapeColumn<R>> columns) {
    this.columns = columns;
  }

  /** That of the row, or of one shortly before it: in the sum over many rows nearly the truth. */
  long of(R row) {
    // xorshift: rows that are long at regular intervals must not slip through.
    random ^= random << 13;
    random ^= random >>> 7;
    random ^= random << 17;
    if (last == 0 || (random & (ONE_IN - 1)) == 0) {
      last = measure(row);
    }
    return last;
  }

  /** Of the row that was measured last. */
  long last() {
    return last;
  }

  private long measure(R row) {
    scratch.truncate(0);
    scratch.putShort(0);
    for (ShapeColumn<R> column : columns) {
      boolean left = column.isDefault() != null && column.isDefault().test(row);
      try {
        ArrayEncoder.Field.put(left ? null : column.value().apply(row), column.sent(), scratch);
      } catch (UnfitValueException e) {
        // It is refused by name when its turn comes.
        return scratch.size();
      }
    }
    return scratch.size();
  }
}
