package dev.pgbelay.lock;

import dev.pgbelay.core.internal.ArrayLiteral;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.util.ArrayList;
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
    ArrayLiteral array =
        ArrayLiteral.of(
            resources.size(),
            wrong ->
                new LockRefusedException(
                    LockRefusedException.Reason.WRONG_KEY_TYPE, "a key " + wrong));
    resources.forEach(resource -> array.add(resource.values().get(part)));
    return array.toString();
  }

  /** With {@code equals}: bytes by content. */
  static List<Object> canonical(List<Object> values) {
    boolean bytes = false;
    for (Object value : values) {
      bytes |= value instanceof byte[];
    }
    if (!bytes) {
      return values;
    }
    List<Object> copy = new ArrayList<>(values.size());
    for (Object value : values) {
      copy.add(value instanceof byte[] content ? ByteBuffer.wrap(content) : value);
    }
    return copy;
  }
}
