package dev.pgbelay.batch;

import java.math.BigDecimal;
import java.math.BigInteger;

/** Numbers of any Java type as the ones that PostgreSQL's types are made of. */
final class Numbers {
  private Numbers() {}

  static long whole(Object value, long min, long max, String type) {
    long number;
    if (value instanceof Long
        || value instanceof Integer
        || value instanceof Short
        || value instanceof Byte) {
      number = ((Number) value).longValue();
    } else if (value instanceof Number) {
      try {
        number = decimal(value).longValueExact();
      } catch (ArithmeticException e) {
        throw UnfitValueException.range(type);
      }
    } else {
      throw UnfitValueException.type(value, type);
    }
    if (number < min || number > max) {
      throw UnfitValueException.range(type);
    }
    return number;
  }

  static BigDecimal decimal(Object value) {
    if (value instanceof BigDecimal decimal) {
      return decimal;
    }
    if (value instanceof BigInteger integer) {
      return new BigDecimal(integer);
    }
    if (value instanceof Double || value instanceof Float) {
      return new BigDecimal(value.toString());
    }
    if (value instanceof Number number) {
      // jOOQ's unsigned numbers print as decimals, as do all of the JDK's.
      return new BigDecimal(number.toString());
    }
    throw UnfitValueException.type(value, "numeric");
  }
}
