package dev.pgbelay.batch;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Objects;
import java.util.UUID;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.RecordMapper;

/** How a loader's rows become values. */
sealed interface KeyedRows<T> {
  /** From jOOQ's records. */
  record OfRecord<T>(RecordMapper<? super Record, ? extends T> mapper) implements KeyedRows<T> {}

  /** From JDBC's rows as they arrive. */
  record OfResultSet<T>(KeyedLoader.RowMapper<? extends T> mapper) implements KeyedRows<T> {}

  /** Takes a row. */
  interface Found<T> {
    /** {@code answer} is the key that the row answers, or its ordinal. */
    void row(Object answer, T value);
  }

  static <T> T required(T value) {
    return Objects.requireNonNull(
        value, "the mapper made null of a row; a missing key is said by Loaded instead");
  }

  /** The key or ordinal of a row, of the type that jOOQ would read. */
  static Object answer(ResultSet row, int index, Field<?> field) throws SQLException {
    Class<?> type = field.getType();
    if (type == Integer.class) {
      return row.getInt(index);
    } else if (type == Short.class) {
      return row.getShort(index);
    } else if (type == UUID.class) {
      return row.getObject(index, UUID.class);
    }
    return row.getLong(index);
  }
}
