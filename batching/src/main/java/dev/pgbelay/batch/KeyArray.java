package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import org.jooq.EnumType;

/**
 * Key values as the text of one PostgreSQL array, whose element type the server takes from the
 * column: no type name to look up, no limit on the number of elements, one statement text for all.
 */
final class KeyArray {
  private static final List<Class<?>> TYPES =
      List.of(
          Short.class,
          Integer.class,
          Long.class,
          BigDecimal.class,
          java.math.BigInteger.class,
          Float.class,
          Double.class,
          Boolean.class,
          String.class,
          UUID.class,
          LocalDate.class,
          LocalTime.class,
          LocalDateTime.class,
          OffsetTime.class,
          OffsetDateTime.class,
          Instant.class,
          byte[].class,
          Object.class);

  private KeyArray() {}

  /** Whether values of this type, as jOOQ hands them to the database, can be elements. */
  static boolean takes(Class<?> type) {
    return TYPES.contains(type) || EnumType.class.isAssignableFrom(type);
  }

  /**
   * @param values without nulls, as {@code Converter.to} gives them
   * @throws PgBelayException for a value that the text form cannot carry
   */
  static String of(List<?> values) {
    StringBuilder array = new StringBuilder(values.size() * 12 + 2).append('{');
    for (Object value : values) {
      if (array.length() > 1) {
        array.append(',');
      }
      append(array, value);
    }
    return array.append('}').toString();
  }

  private static void append(StringBuilder array, Object value) {
    if (value instanceof Long || value instanceof Integer || value instanceof UUID) {
      array.append(value);
    } else {
      appendQuoted(array, text(value));
    }
  }

  private static String text(Object value) {
    if (value instanceof EnumType literal) {
      return literal.getLiteral();
    } else if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    } else if (value instanceof LocalDate date) {
      requireYear(date.getYear());
    } else if (value instanceof LocalDateTime at) {
      requireYear(at.getYear());
    } else if (value instanceof OffsetDateTime at) {
      requireYear(at.getYear());
    } else if (value instanceof Instant at) {
      requireYear(at.atOffset(ZoneOffset.UTC).getYear());
    }
    return value.toString();
  }

  private static void requireYear(int year) {
    if (year < 1 || year > 9999) {
      throw new PgBelayException(
          "a key lies in the year "
              + year
              + ": dates as keys are understood from year 1 to 9999 only");
    }
  }

  private static void appendQuoted(StringBuilder array, String text) {
    array.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\0') {
        throw new PgBelayException(
            "a key contains the character NUL, which PostgreSQL cannot store");
      }
      if (c == '"' || c == '\\') {
        array.append('\\');
      }
      array.append(c);
    }
    array.append('"');
  }
}
