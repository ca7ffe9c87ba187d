package dev.pgbelay.lock;

import dev.pgbelay.lock.internal.ServerOrder;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * The order of keys as the server has it, where Java can tell: for whole numbers, numeric, uuid,
 * bytea, boolean, date and timestamps. Not for text, whose order is a matter of collations and
 * their versions, and not for what has an order of its own on the server.
 */
final class KeyOrder {
  private static final Set<Class<?>> NUMBERS =
      Set.of(Short.class, Integer.class, Long.class, BigInteger.class, BigDecimal.class);

  private KeyOrder() {}

  /** Empty where Java cannot tell. */
  static Optional<Comparator<List<Object>>> of(List<String> baseTypes, List<Class<?>> types) {
    for (int i = 0; i < baseTypes.size(); i++) {
      if (!isKnown(baseTypes.get(i), types.get(i))) {
        return Optional.empty();
      }
    }
    return Optional.of(KeyOrder::compare);
  }

  private static int compare(List<Object> left, List<Object> right) {
    for (int i = 0; i < left.size(); i++) {
      int compared = ServerOrder.compare(left.get(i), right.get(i)).orElseThrow();
      if (compared != 0) {
        return compared;
      }
    }
    return 0;
  }

  private static boolean isKnown(String type, Class<?> java) {
    return switch (type) {
      case "int2", "int4", "int8", "numeric" -> NUMBERS.contains(java);
      case "uuid" -> java == UUID.class;
      case "bytea" -> java == byte[].class;
      case "bool" -> java == Boolean.class;
      case "date" -> java == LocalDate.class;
      case "timestamp" -> java == LocalDateTime.class;
      case "timestamptz" -> java == OffsetDateTime.class || java == Instant.class;
      default -> false;
    };
  }
}
