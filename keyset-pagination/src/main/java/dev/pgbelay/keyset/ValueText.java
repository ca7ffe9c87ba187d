package dev.pgbelay.keyset;

import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Collection;
import java.util.HexFormat;
import org.jooq.EnumType;
import org.jooq.JSON;
import org.jooq.JSONB;

/** Values as PostgreSQL's text of them. */
final class ValueText {
  private ValueText() {}

  /** The same for values that are equal: 1.0 and 1.00. */
  static String canonical(Object value) {
    return value instanceof BigDecimal decimal
        ? decimal.stripTrailingZeros().toString()
        : of(value);
  }

  /**
   * What the server reads the value from.
   *
   * @throws java.time.DateTimeException if PostgreSQL has no such day or time
   */
  static String of(Object value) {
    if (value instanceof EnumType literal) {
      return literal.getLiteral();
    } else if (value instanceof OffsetDateTime at) {
      return PgTime.timestampText(PgTime.micros(at), true);
    } else if (value instanceof Instant at) {
      return PgTime.timestampText(PgTime.micros(at), true);
    } else if (value instanceof LocalDateTime at) {
      return PgTime.timestampText(PgTime.micros(at), false);
    } else if (value instanceof LocalDate date) {
      return PgTime.dateText(PgTime.days(date));
    } else if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    } else if (value instanceof JSON json) {
      return json.data();
    } else if (value instanceof JSONB json) {
      return json.data();
    } else if (value instanceof Object[] array) {
      return arrayText(Arrays.asList(array));
    } else if (value instanceof Collection<?> list) {
      return arrayText(list);
    }
    return value.toString();
  }

  private static String arrayText(Collection<?> elements) {
    StringBuilder array = new StringBuilder("{");
    for (Object element : elements) {
      if (array.length() > 1) {
        array.append(',');
      }
      if (element == null) {
        array.append("NULL");
      } else {
        String text = of(element).replace("\\", "\\\\").replace("\"", "\\\"");
        array.append('"').append(text).append('"');
      }
    }
    return array.append('}').toString();
  }
}
