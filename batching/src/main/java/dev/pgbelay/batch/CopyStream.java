package dev.pgbelay.batch;

import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.postgresql.copy.CopyIn;

/**
 * Rows on their way into COPY BINARY, which begins with the first full buffer and keeps the
 * connection busy until {@link #finish}. Each buffer is sent at once, so that the server parses
 * while the next rows are encoded.
 */
final class CopyStream<R> {
  private static final byte[] SIGNATURE = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', (byte) 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0
  };
  private static final int BUFFER = 1 << 16;

  /** The first buffer is sent early, because until then the server has nothing to do. */
  private static final int FIRST_BUFFER = 1 << 13;

  private final List<ShapeColumn<R>> columns;
  private final ValueCodec[] codecs;
  private final boolean staged;
  private final int fields;
  private final ByteSink buffer = new ByteSink(BUFFER + (BUFFER >> 2));
  private final BatchConnection connection;
  private final StatementSql sql;
  private @Nullable CopyIn copy;
  private int sendAt = FIRST_BUFFER;
  private long bytes;
  private long rows;

  /**
   * @param staged into a stage, which has flags and an ordinal beside the columns
   */
  CopyStream(
      BatchConnection connection, StatementSql sql, List<ShapeColumn<R>> columns, boolean staged) {
    this.connection = connection;
    this.sql = sql;
    this.columns = columns;
    this.staged = staged;
    this.codecs = new ValueCodec[columns.size()];
    int count = staged ? 1 : 0;
    for (int i = 0; i < codecs.length; i++) {
      ShapeColumn<R> column = columns.get(i);
      ValueCodec codec = staged ? column.sent() : column.copied();
      if (codec == null) {
        throw new IllegalStateException("no binary form of column " + column.name());
      }
      codecs[i] = codec;
      count += staged && column.isDefault() != null ? 2 : 1;
    }
    this.fields = count;
    buffer.putBytes(SIGNATURE);
  }

  /**
   * @throws UnfitValueException and leaves the row out, if a value does not fit its column
   */
  void add(R row, long ordinal) throws SQLException {
    int start = buffer.size();
    buffer.putShort(fields);
    int column = 0;
    try {
      for (; column < codecs.length; column++) {
        put(row, column);
      }
    } catch (UnfitValueException e) {
      buffer.truncate(start);
      throw e.inColumn(columns.get(column).name());
    }
    if (staged) {
      buffer.putInt(8);
      buffer.putLong(ordinal);
    }
    rows++;
    if (buffer.size() >= sendAt) {
      send();
      sendAt = BUFFER;
    }
  }

  private void put(R row, int column) {
    ShapeColumn<R> shape = columns.get(column);
    boolean left = shape.isDefault() != null && shape.isDefault().test(row);
    @Nullable Object value = left ? null : shape.value().apply(row);
    ArrayEncoder.Field.put(value, codecs[column], buffer);
    if (shape.isDefault() != null) {
      buffer.putInt(1);
      buffer.putByte(left ? 1 : 0);
    }
  }

  private CopyIn send() throws SQLException {
    CopyIn active = copy;
    if (active == null) {
      active = connection.copyIn(sql);
      copy = active;
    }
    bytes += buffer.size();
    active.writeToCopy(buffer.bytes(), 0, buffer.size());
    buffer.truncate(0);
    return active;
  }

  long rows() {
    return rows;
  }

  long bytes() {
    return bytes + buffer.size();
  }

  /** How many rows the server took. */
  long finish() throws SQLException {
    buffer.putShort(-1);
    return send().endCopy();
  }

  /** Ends the COPY with an error on the server; its transaction must be rolled back. */
  void abandon(Throwable cause) {
    try {
      if (copy != null && copy.isActive()) {
        copy.cancelCopy();
      }
    } catch (SQLException e) {
      cause.addSuppressed(e);
    }
  }
}
