package dev.pgbelay.batch;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Array;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** Rows as one binary array per column. */
final class ArrayEncoder<R> implements BatchConnection.Values {
  private static final int HEADER = 20;
  private static final int DIMENSION_AT = 12;
  private static final int BOOLEAN = 16;
  private static final int BOOLEAN_ARRAY = 1000;

  private final List<ShapeColumn<R>> columns;
  private final PGConnection driver;
  private final ByteSink[] values;
  private final @Nullable ByteSink[] defaults;
  private int[] rows = new int[64];
  private int size;
  private long firstGroup;
  private long endGroup;

  ArrayEncoder(List<ShapeColumn<R>> columns, PGConnection driver) {
    this.columns = columns;
    this.driver = driver;
    this.values = new ByteSink[columns.size()];
    this.defaults = new ByteSink[columns.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = new ByteSink(1024);
      if (columns.get(i).isDefault() != null) {
        defaults[i] = new ByteSink(256);
      }
    }
    clear();
  }

  void clear() {
    size = 0;
    for (int i = 0; i < values.length; i++) {
      header(values[i], columns.get(i).element().oid());
      header(defaults[i], BOOLEAN);
    }
  }

  private static void header(@Nullable ByteSink sink, int element) {
    if (sink == null) {
      return;
    }
    sink.truncate(0);
    sink.putInt(1);
    sink.putInt(1);
    sink.putInt(element);
    sink.putInt(0);
    sink.putInt(1);
  }

  /**
   * @param row its place in the input
   * @throws UnfitValueException and leaves the row out, if a value does not fit its column
   */
  void add(R value, int row) {
    int[] before = new int[values.length * 2];
    for (int i = 0; i < values.length; i++) {
      before[i] = values[i].size();
      ByteSink flags = defaults[i];
      before[values.length + i] = flags == null ? 0 : flags.size();
    }
    int column = 0;
    try {
      for (; column < values.length; column++) {
        addValue(value, column);
      }
    } catch (UnfitValueException e) {
      for (int i = 0; i < values.length; i++) {
        values[i].truncate(before[i]);
        ByteSink flags = defaults[i];
        if (flags != null) {
          flags.truncate(before[values.length + i]);
        }
      }
      throw e.inColumn(columns.get(column).name());
    }
    if (size == rows.length) {
      rows = Arrays.copyOf(rows, size * 2);
    }
    rows[size++] = row;
  }

  private void addValue(R row, int column) {
    ShapeColumn<R> shape = columns.get(column);
    Predicate<? super R> isDefault = shape.isDefault();
    ByteSink flags = defaults[column];
    boolean left = isDefault != null && isDefault.test(row);
    if (flags != null) {
      flags.putInt(1);
      flags.putByte(left ? 1 : 0);
    }
    Object value = left ? null : shape.value().apply(row);
    Field.put(value, shape.sent(), values[column]);
  }

  /** A value behind its length, as arrays and COPY both have it. */
  static final class Field {
    private Field() {}

    static void put(@Nullable Object value, ValueCodec codec, ByteSink sink) {
      if (value == null) {
        sink.putInt(-1);
        return;
      }
      int at = sink.size();
      sink.putInt(0);
      codec.write(value, sink);
      sink.setInt(at, sink.size() - at - 4);
    }
  }

  int size() {
    return size;
  }

  /** The place in the input of the row with this ordinal, from 1. */
  int row(long ordinal) {
    return rows[(int) ordinal - 1];
  }

  long bytes() {
    long bytes = 0;
    for (ByteSink sink : values) {
      bytes += sink.size() - HEADER;
    }
    return bytes;
  }

  @Override
  public Array values(int column) throws SQLException {
    return array(values[column], columns.get(column).element().arrayOid());
  }

  @Override
  public Array defaults(int column) throws SQLException {
    ByteSink flags = defaults[column];
    if (flags == null) {
      throw new IllegalStateException("column " + column + " is never left to its DEFAULT");
    }
    return array(flags, BOOLEAN_ARRAY);
  }

  private Array array(ByteSink sink, int type) throws SQLException {
    sink.setInt(DIMENSION_AT, size);
    return PgDriver.binaryArray(driver, type, sink.toBytes());
  }

  /** For statements that speak of keys by the ordinals of their first rows. */
  void selectGroups(long first, long end) {
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

  @Override
  public long from() {
    throw new IllegalStateException("arrays have no range");
  }

  @Override
  public long to() {
    throw new IllegalStateException("arrays have no range");
  }

  @Override
  public Array excluded() {
    throw new IllegalStateException("arrays hold no rows to leave out");
  }
}
