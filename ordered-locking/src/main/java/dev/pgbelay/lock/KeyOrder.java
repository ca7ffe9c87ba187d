package dev.pgbelay.lock;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The order of keys as the server has it, where Java can tell: for whole numbers, numeric, uuid,
 * bytea, boolean, date and timestamps. Not for text, whose order is a matter of collations and
 * their versions, and not for what has an order of its own on the server.
 */
final class KeyOrder {
  private static final List<String> NUMBERS = List.of("int2", "int4", "int8", "numeric");

  private KeyOrder() {}

  /** Empty where Java cannot tell. */
  static Optional<Comparator<List<Object>>> of(List<String> baseTypes, List<Class<?>> types) {
    List<Comparator<Object>> parts = new ArrayList<>();
    for (int i = 0; i < baseTypes.size(); i++) {
      Comparator<Object> part = part(baseTypes.get(i), types.get(i));
      if (part == null) {
        return Optional.empty();
      }
      parts.add(part);
    }
    return Optional.of(
        (left, right) -> {
          for (int i = 0; i < parts.size(); i++) {
            int compared = parts.get(i).compare(left.get(i), right.get(i));
            if (compared != 0) {
              return compared;
            }
          }
          return 0;
        });
  }

  private static @Nullable Comparator<Object> part(String type, Class<?> java) {
    if (NUMBERS.contains(type)) {
      return isNumber(java) ? Comparator.comparing(KeyOrder::number) : null;
    }
    return switch (type) {
      case "uuid" -> java == UUID.class ? KeyOrder::compareUuids : null;
      case "bytea" ->
          java == byte[].class
              ? (left, right) -> Arrays.compareUnsigned((byte[]) left, (byte[]) right)
              : null;
      case "bool" -> java == Boolean.class ? Comparator.comparing(Boolean.class::cast) : null;
      case "date" -> java == LocalDate.class ? natural(LocalDate.class) : null;
      case "timestamp" -> java == LocalDateTime.class ? natural(LocalDateTime.class) : null;
      case "timestamptz" ->
          java == OffsetDateTime.class || java == Instant.class
              ? Comparator.comparing(KeyOrder::instant)
              : null;
      default -> null;
    };
  }

  private static boolean isNumber(Class<?> java) {
    return java == Short.class
        || java == Integer.class
        || java == Long.class
        || java == BigInteger.class
        || java == BigDecimal.class;
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
  private static int compareUuids(Object left, Object right) {
    UUID a = (UUID) left;
    UUID b = (UUID) right;
    int high = Long.compareUnsigned(a.getMostSignificantBits(), b.getMostSignificantBits());
    return high != 0
        ? high
        : Long.compareUnsigned(a.getLeastSignificantBits(), b.getLeastSignificantBits());
  }

  /** PostgreSQL keeps microseconds. */
  private static Instant instant(Object value) {
    return value instanceof OffsetDateTime at ? at.toInstant() : (Instant) value;
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Comparator<Object> natural(Class<? extends Comparable> type) {
    return (left, right) -> type.cast(left).compareTo(type.cast(right));
  }
}
