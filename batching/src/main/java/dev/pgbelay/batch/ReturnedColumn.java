package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.math.BigDecimal;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLXML;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
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
  private final @Nullable Class<?> temporal;
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
    this.temporal = column.builtIn() ? temporal(column.baseType()) : null;
    this.longs = new long[whole ? 16 : 0];
    this.objects = new Object[whole ? 0 : 16];
  }

  /** The driver's own choice for these loses microseconds, infinities and zones. */
  private static @Nullable Class<?> temporal(String type) {
    return switch (type) {
      case "date" -> LocalDate.class;
      case "time" -> LocalTime.class;
      case "timetz" -> OffsetTime.class;
      case "timestamp" -> LocalDateTime.class;
      case "timestamptz" -> OffsetDateTime.class;
      default -> null;
    };
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
      Object value = temporal == null ? from.getObject(index) : from.getObject(index, temporal);
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
      throw new PgBelayException("column " + name + " is not a whole number");
    }
    return longs;
  }

  <T> @Nullable T get(int row, Field<T> column) {
    if (!known.get(row)) {
      return null;
    }
    Object value = whole ? longs[row] : objects[row];
    Class<?> stored = column.getConverter().fromType();
    if (value instanceof Double number && !Double.isFinite(number) && stored == BigDecimal.class) {
      throw new PgBelayException(
          "column " + name + " of row " + row + " is " + number + "; read it as Double");
    }
    if (value instanceof String text && stored == JSONB.class) {
      value = JSONB.jsonb(text);
    } else if (value instanceof String text && stored == JSON.class) {
      value = JSON.json(text);
    }
    return column.getDataType().convert(value);
  }
}
