package dev.pgbelay.batch;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLXML;
import java.util.Arrays;
import java.util.BitSet;
import org.jooq.Field;
import org.jooq.JSON;
import org.jooq.JSONB;
import org.jspecify.annotations.Nullable;
import org.postgresql.util.PGobject;

/** The returned values of one column, by the place of their row. */
final class ReturnedColumn {
  private final String name;
  private final boolean whole;
  private final BitSet known = new BitSet();
  private long[] longs;
  private @Nullable Object[] objects;
  private int size;

  ReturnedColumn(PgColumn column) {
    this.name = column.name();
    this.whole =
        column.builtIn()
            && switch (column.baseType()) {
              case "int2", "int4", "int8" -> true;
              default -> false;
            };
    this.longs = new long[whole ? 16 : 0];
    this.objects = new Object[whole ? 0 : 16];
  }

  String name() {
    return name;
  }

  int size() {
    return size;
  }

  void read(int row, ResultSet from, int index) throws SQLException {
    size = Math.max(size, row + 1);
    if (whole) {
      if (row >= longs.length) {
        longs = Arrays.copyOf(longs, Math.max(row + 1, longs.length * 2));
      }
      longs[row] = from.getLong(index);
      known.set(row, !from.wasNull());
    } else {
      if (row >= objects.length) {
        objects = Arrays.copyOf(objects, Math.max(row + 1, objects.length * 2));
      }
      Object value = from.getObject(index);
      if (value instanceof PGobject object) {
        value = object.getValue();
      } else if (value instanceof SQLXML xml) {
        value = xml.getString();
      } else if (value instanceof java.sql.Array array) {
        value = array.getArray();
      }
      objects[row] = value;
      known.set(row, value != null);
    }
  }

  void clear() {
    known.clear();
  }

  long[] longs() {
    if (!whole) {
      throw new IllegalArgumentException("column " + name + " is not a whole number");
    }
    return longs;
  }

  <T> @Nullable T get(int row, Field<T> column) {
    if (!known.get(row)) {
      return null;
    }
    Object value = whole ? longs[row] : objects[row];
    Class<?> stored = column.getConverter().fromType();
    if (value instanceof String text && stored == JSONB.class) {
      value = JSONB.jsonb(text);
    } else if (value instanceof String text && stored == JSON.class) {
      value = JSON.json(text);
    }
    return column.getDataType().convert(value);
  }
}
