package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.ArrayLiteral;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
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
    ArrayLiteral array =
        ArrayLiteral.of(values.size(), wrong -> new PgBelayException("a key " + wrong));
    values.forEach(array::add);
    return array.toString();
  }
}
