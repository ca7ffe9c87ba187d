package dev.pgbelay.keyset;

import java.math.BigDecimal;
import java.math.BigInteger;
import org.jooq.exception.DataTypeException;
import org.jspecify.annotations.Nullable;

/** jOOQ narrows numbers as Java's casts do: 4294967299 becomes the integer 3. */
final class WholeNumbers {
  private WholeNumbers() {}

  /**
   * @throws DataTypeException if a whole number came out of the conversion and it is not the one
   *     that went in
   */
  static void requireSame(@Nullable Object given, @Nullable Object converted) {
    if (given == null || !isWhole(converted)) {
      return;
    }
    if (!(given instanceof Number) && !(given instanceof String)) {
      return;
    }
    try {
      BigDecimal before = new BigDecimal(given.toString().strip());
      if (before.compareTo(new BigDecimal(String.valueOf(converted))) == 0) {
        return;
      }
    } catch (NumberFormatException e) {
      throw new DataTypeException("not a whole number", e);
    }
    throw new DataTypeException("the number does not fit");
  }

  private static boolean isWhole(@Nullable Object value) {
    return value instanceof Long
        || value instanceof Integer
        || value instanceof Short
        || value instanceof Byte
        || value instanceof BigInteger;
  }
}
