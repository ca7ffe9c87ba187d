package dev.pgbelay.lock.internal;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * The order of values as the server has it, for types where Java can tell: numbers, uuid, bytea,
 * boolean, date and timestamps. Not of texts, which is a matter of collations and their versions.
 */
public final class ServerOrder {
  private ServerOrder() {}

  /** Negative, zero or positive; empty if these two cannot be compared here. */
  public static OptionalInt compare(Object left, Object right) {
    if (isInteger(left) && isInteger(right)) {
      return OptionalInt.of(
          Long.compare(((Number) left).longValue(), ((Number) right).longValue()));
    }
    if (isNumber(left) && isNumber(right)) {
      return OptionalInt.of(number(left).compareTo(number(right)));
    }
    if (left instanceof UUID a && right instanceof UUID b) {
      return OptionalInt.of(compareUuids(a, b));
    }
    if (left instanceof byte[] a && right instanceof byte[] b) {
      return OptionalInt.of(Arrays.compareUnsigned(a, b));
    }
    if (left instanceof Boolean a && right instanceof Boolean b) {
      return OptionalInt.of(a.compareTo(b));
    }
    if (left instanceof LocalDate a && right instanceof LocalDate b) {
      return OptionalInt.of(a.compareTo(b));
    }
    if (left instanceof LocalDateTime a && right instanceof LocalDateTime b) {
      return OptionalInt.of(a.compareTo(b));
    }
    return isInstant(left) && isInstant(right)
        ? OptionalInt.of(instant(left).compareTo(instant(right)))
        : OptionalInt.empty();
  }

  private static boolean isInteger(Object value) {
    return value instanceof Long || value instanceof Integer || value instanceof Short;
  }

  private static boolean isNumber(Object value) {
    return isInteger(value) || value instanceof BigDecimal || value instanceof BigInteger;
  }

  private static BigDecimal number(Object value) {
    if (value instanceof BigDecimal decimal) {
      return decimal;
    }
    return value instanceof BigInteger whole
        ? new BigDecimal(whole)
        : BigDecimal.valueOf(((Number) value).longValue());
  }

  /** Java compares the halves of a UUID as signed numbers, PostgreSQL its bytes. */
  private static int compareUuids(UUID a, UUID b) {
    int high = Long.compareUnsigned(a.getMostSignificantBits(), b.getMostSignificantBits());
    return high != 0
        ? high
        : Long.compareUnsigned(a.getLeastSignificantBits(), b.getLeastSignificantBits());
  }

  private static boolean isInstant(Object value) {
    return value instanceof Instant || value instanceof OffsetDateTime;
  }

  private static Instant instant(Object value) {
    return value instanceof OffsetDateTime at ? at.toInstant() : (Instant) value;
  }
}
