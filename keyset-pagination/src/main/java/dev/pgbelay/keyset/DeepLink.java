package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.KEYS;

import java.sql.Date;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.DateTimeException;
import java.util.List;
import java.util.stream.Collectors;
import org.jooq.Converter;
import org.jooq.exception.DataTypeException;
import org.jspecify.annotations.Nullable;

/** Makes a position of values that the caller's code gives for the leading keys. */
final class DeepLink {
  private final String queryName;
  private final List<SortKey> keys;

  DeepLink(String queryName, List<SortKey> keys) {
    this.queryName = queryName;
    this.keys = keys;
  }

  /** The position that a deep link names. */
  Boundary position(List<@Nullable Object> values) {
    if (values.isEmpty() || values.size() > keys.size()) {
      throw badKeys(
          "a deep link needs 1 to %d key values (%s), but %d were given"
              .formatted(
                  keys.size(),
                  keys.stream().map(SortKey::describe).collect(Collectors.joining(", ")),
                  values.size()));
    }
    byte[][] wire = new byte[values.size()][];
    for (int k = 0; k < wire.length; k++) {
      SortKey key = keys.get(k);
      Object value = values.get(k);
      if (value != null) {
        wire[k] = wire(key, value);
      } else if (!key.nullable()) {
        throw badKeys("key %s cannot be NULL".formatted(key.label()));
      }
    }
    return new Boundary(wire, true);
  }

  private byte[] wire(SortKey key, Object value) {
    if (key.type().isTemporal() && (value.equals("infinity") || value.equals("-infinity"))) {
      return key.type().wire(value);
    }
    if (value instanceof String text && text.indexOf('\0') >= 0) {
      throw badKeys(
          "the value for key %s contains U+0000, which PostgreSQL's text cannot hold; remove it before it gets here"
              .formatted(key.label()));
    }
    try {
      Object converted = key.field().getDataType().convert(value);
      WholeNumbers.requireSame(value, converted);
      return key.type().wire(plain(toDatabase(key.field().getConverter(), converted)));
    } catch (DateTimeException e) {
      throw badKeys(
          "the value for key %s is a %s that PostgreSQL does not have (%s); give one within its range, or \"infinity\""
              .formatted(key.label(), value.getClass().getSimpleName(), PgTime.RANGE));
    } catch (DataTypeException
        | ClassCastException
        | NullPointerException
        | ArithmeticException e) {
      throw badKeys(
          "the value for key %s is a %s, which cannot become a %s"
              .formatted(
                  key.label(),
                  value.getClass().getSimpleName(),
                  key.field().getDataType().getTypeName()));
    }
  }

  @SuppressWarnings("unchecked")
  private static Object toDatabase(Converter<?, ?> converter, Object value) {
    return ((Converter<Object, Object>) converter).to(value);
  }

  private static Object plain(Object value) {
    if (value instanceof Timestamp timestamp) {
      return timestamp.toLocalDateTime();
    } else if (value instanceof Date date) {
      return date.toLocalDate();
    } else if (value instanceof Time time) {
      return time.toLocalTime();
    }
    return value;
  }

  private InvalidPageRequestException badKeys(String rule) {
    return new InvalidPageRequestException(KEYS, "query '%s': %s".formatted(queryName, rule));
  }
}
