package dev.pgbelay.lock;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jooq.EnumType;

/** Parts of keys as the text of one array of PostgreSQL's, and as what Java can compare. */
final class KeyText {
  private static final Set<Class<?>> TYPES =
      Set.of(
          Short.class,
          Integer.class,
          Long.class,
          BigDecimal.class,
          BigInteger.class,
          Boolean.class,
          String.class,
          UUID.class,
          LocalDate.class,
          LocalTime.class,
          LocalDateTime.class,
          OffsetTime.class,
          OffsetDateTime.class,
          Instant.class,
          byte[].class);

  private KeyText() {}

  static boolean takes(Class<?> type) {
    return TYPES.contains(type) || EnumType.class.isAssignableFrom(type);
  }

  /** Part {@code part} of each key. */
  static String array(List<Resource> resources, int part) {
    StringBuilder array = new StringBuilder(resources.size() * 12 + 2).append('{');
    for (Resource resource : resources) {
      if (array.length() > 1) {
        array.append(',');
      }
      append(array, resource.values().get(part));
    }
    return array.append('}').toString();
  }

  private static void append(StringBuilder array, Object value) {
    if (value instanceof Long || value instanceof Integer || value instanceof UUID) {
      array.append(value);
      return;
    }
    String text = text(value);
    array.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\0') {
        throw new LockRefusedException(
            LockRefusedException.Reason.WRONG_KEY_TYPE,
            "a key contains the character NUL, which PostgreSQL cannot store");
      }
      if (c == '"' || c == '\\') {
        array.append('\\');
      }
      array.append(c);
    }
    array.append('"');
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
      throw new LockRefusedException(
          LockRefusedException.Reason.WRONG_KEY_TYPE,
          "a key lies in the year " + year + ": dates are understood from year 1 to 9999 only");
    }
  }

  /** With {@code equals}: bytes by content. */
  static List<Object> canonical(List<Object> values) {
    List<Object> copy = new ArrayList<>(values.size());
    for (Object value : values) {
      copy.add(value instanceof byte[] bytes ? ByteBuffer.wrap(bytes) : value);
    }
    return copy;
  }
}
