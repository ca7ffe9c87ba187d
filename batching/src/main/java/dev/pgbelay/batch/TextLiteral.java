package dev.pgbelay.batch;

import java.lang.reflect.Array;
import java.net.InetAddress;
import java.time.Duration;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.Period;
import java.util.Collection;
import java.util.HexFormat;
import org.jooq.EnumType;
import org.jooq.JSON;
import org.jooq.JSONB;
import org.jooq.XML;
import org.jooq.types.DayToSecond;
import org.jooq.types.Interval;
import org.jooq.types.YearToMonth;
import org.jooq.types.YearToSecond;
import org.jspecify.annotations.Nullable;
import org.postgresql.util.PGobject;

/** Values as the text that PostgreSQL's input functions read. */
final class TextLiteral {
  private TextLiteral() {}

  static String of(Object value) {
    if (value instanceof CharSequence || value instanceof Character) {
      return value.toString();
    }
    if (value instanceof JSONB json) {
      return json.data();
    }
    if (value instanceof JSON json) {
      return json.data();
    }
    if (value instanceof XML xml) {
      return xml.data();
    }
    if (value instanceof EnumType label) {
      return label.getLiteral();
    }
    if (value instanceof Enum<?> label) {
      return label.name();
    }
    if (value instanceof PGobject object) {
      String text = object.getValue();
      if (text == null) {
        throw new UnfitValueException("22004", "the PGobject has no value; pass null instead");
      }
      return text;
    }
    if (value instanceof InetAddress address) {
      return address.getHostAddress();
    }
    if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    }
    if (value instanceof Collection<?> elements) {
      return array(elements.toArray());
    }
    if (value.getClass().isArray()) {
      return array(value);
    }
    return scalar(value);
  }

  private static String scalar(Object value) {
    if (value instanceof Interval interval) {
      return interval(interval);
    }
    if (value instanceof Duration
        || value instanceof Period
        || value instanceof Number
        || value instanceof Boolean
        || value instanceof java.util.UUID
        || value instanceof java.time.temporal.Temporal) {
      return temporal(value);
    }
    if (value.getClass().getName().startsWith("org.jooq.postgres.extensions.types.")) {
      return value.toString();
    }
    throw UnfitValueException.type(value, "of the column, for want of a text form; pass a String");
  }

  private static String interval(Interval interval) {
    if (interval instanceof YearToSecond both) {
      return interval(both.getYearToMonth()) + " " + interval(both.getDayToSecond());
    }
    if (interval instanceof YearToMonth months) {
      return months.intValue() + " months";
    }
    DayToSecond time = (DayToSecond) interval;
    long sign = time.getSign();
    return sign * time.getDays()
        + " days "
        + sign * ((time.getHours() * 60L + time.getMinutes()) * 60 + time.getSeconds())
        + " seconds "
        + sign * (time.getNano() / 1000)
        + " microseconds";
  }

  private static String temporal(Object value) {
    if (value instanceof LocalDate date) {
      return date.equals(LocalDate.MAX)
          ? "infinity"
          : date.equals(LocalDate.MIN) ? "-infinity" : withEra(date.getYear(), date.toString());
    }
    if (value instanceof LocalDateTime time) {
      return time.equals(LocalDateTime.MAX)
          ? "infinity"
          : time.equals(LocalDateTime.MIN) ? "-infinity" : withEra(time.getYear(), time.toString());
    }
    if (value instanceof OffsetDateTime time) {
      return time.equals(OffsetDateTime.MAX)
          ? "infinity"
          : time.equals(OffsetDateTime.MIN)
              ? "-infinity"
              : withEra(time.getYear(), time.toString());
    }
    return value.toString();
  }

  /** ISO writes the years before 1 with a sign and counts a year 0; PostgreSQL has an era. */
  private static String withEra(int year, String iso) {
    if (year > 9999) {
      return iso.substring(1);
    }
    if (year > 0) {
      return iso;
    }
    int monthAt = iso.indexOf('-', 1);
    return "%04d".formatted(1 - year) + iso.substring(monthAt) + " BC";
  }

  private static String array(Object elements) {
    StringBuilder literal = new StringBuilder();
    append(elements, literal);
    return literal.toString();
  }

  private static void append(Object elements, StringBuilder literal) {
    literal.append('{');
    int length = Array.getLength(elements);
    for (int i = 0; i < length; i++) {
      if (i > 0) {
        literal.append(',');
      }
      Object element = Array.get(elements, i);
      if (element instanceof Collection<?> nested) {
        append(nested.toArray(), literal);
      } else if (element != null && element.getClass().isArray() && !(element instanceof byte[])) {
        append(element, literal);
      } else {
        appendElement(element, literal);
      }
    }
    literal.append('}');
  }

  private static void appendElement(@Nullable Object element, StringBuilder literal) {
    if (element == null) {
      literal.append("NULL");
      return;
    }
    String text = of(element);
    literal.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        literal.append('\\');
      }
      literal.append(c);
    }
    literal.append('"');
  }
}
