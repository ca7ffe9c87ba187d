package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The key of one row, in a form in which equal means equal to the server. Never shown: keys can be
 * secrets.
 */
record LockKey(List<KeyColumn> columns, List<Object> values) {
  private static final int DIGITS = 19;
  private static final BigInteger LONGEST = BigInteger.valueOf(Long.MAX_VALUE);

  /** Null where a value is null, or of a type whose equality is not plain. */
  static @Nullable LockKey of(List<KeyColumn> columns, List<@Nullable Object> raw) {
    List<Object> values = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      Object value = normal(columns.get(i), raw.get(i));
      if (value == null) {
        return null;
      }
      values.add(value);
    }
    return new LockKey(columns, values);
  }

  private static @Nullable Object normal(KeyColumn column, @Nullable Object raw) {
    if (raw == null) {
      return null;
    }
    try {
      return switch (column.type()) {
        case "int2", "int4", "int8", "oid" -> wholeNumber(raw);
        case "numeric" ->
            raw instanceof Number || raw instanceof String
                ? new BigDecimal(raw.toString()).stripTrailingZeros()
                : null;
        case "uuid" ->
            raw instanceof UUID uuid
                ? uuid
                : raw instanceof String text ? UUID.fromString(text) : null;
        case "text", "varchar", "name" -> raw instanceof String ? raw : null;
        case "bytea" -> raw instanceof byte[] bytes ? HexFormat.of().formatHex(bytes) : null;
        case "date" ->
            raw instanceof java.sql.Date date
                ? date.toLocalDate()
                : raw instanceof LocalDate ? raw : null;
        case "timestamp" ->
            raw instanceof java.sql.Timestamp timestamp
                ? timestamp.toLocalDateTime()
                : raw instanceof LocalDateTime ? raw : null;
        case "timestamptz" ->
            raw instanceof OffsetDateTime time
                ? time.toInstant()
                : raw instanceof java.sql.Timestamp timestamp
                    ? timestamp.toInstant()
                    : raw instanceof Instant ? raw : null;
        default -> null;
      };
    } catch (IllegalArgumentException e) { // not a number, not a UUID: the server will refuse it
      return null;
    }
  }

  private static @Nullable Object wholeNumber(Object raw) {
    if (raw instanceof Long || raw instanceof Integer || raw instanceof Short) {
      return ((Number) raw).longValue();
    }
    if (raw instanceof String || raw instanceof BigInteger || raw instanceof BigDecimal) {
      BigDecimal given = new BigDecimal(raw.toString());
      if ((long) given.precision() - given.scale() > DIGITS) {
        return null; // not of any of these types, and perhaps a number of a billion digits
      }
      BigInteger number = given.toBigInteger();
      return number.abs().compareTo(LONGEST) <= 0 ? number.longValue() : null;
    }
    return null;
  }

  boolean isOfSameColumns(LockKey other) {
    return columns.equals(other.columns);
  }

  @Override
  public String toString() {
    return "LockKey" + columns.stream().map(KeyColumn::name).toList();
  }
}
