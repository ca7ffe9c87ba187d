package dev.pgbelay.keyset;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import org.jooq.Cursor;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.RecordMapper;
import org.jspecify.annotations.Nullable;

/** Turns rows into the caller's items, one at a time, while the cursor's values are read beside. */
interface RowSource<T> {

  /** Begins with a result that stands before its first row. */
  Rows<T> open(DSLContext dsl, ResultSet rows);

  /** A walk over one result. */
  interface Rows<T> {
    boolean next() throws SQLException;

    T item() throws SQLException;
  }

  static <T> RowSource<T> ofResultSet(KeysetQuery.RowMapper<? extends T> mapper) {
    return (dsl, rows) ->
        new Rows<>() {
          @Override
          public boolean next() throws SQLException {
            return rows.next();
          }

          @Override
          public T item() throws SQLException {
            return mapper.map(rows);
          }
        };
  }

  static <T> RowSource<T> ofRecord(
      List<Field<?>> fields, RecordMapper<? super Record, ? extends T> mapper) {
    Field<?>[] columns = fields.toArray(Field<?>[]::new);
    return (dsl, rows) -> {
      Cursor<Record> cursor = dsl.fetchLazy(rows, columns);
      return new Rows<>() {
        private @Nullable Record record;

        @Override
        public boolean next() {
          record = cursor.fetchNext();
          return record != null;
        }

        @Override
        public T item() {
          return mapper.map(Objects.requireNonNull(record));
        }
      };
    };
  }
}
