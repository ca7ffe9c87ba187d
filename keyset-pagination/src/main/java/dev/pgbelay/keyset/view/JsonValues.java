package dev.pgbelay.keyset.view;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jooq.EnumType;
import org.jooq.Field;
import org.jooq.Record;
import org.jspecify.annotations.Nullable;

/**
 * Values of a row as something that every JSON library writes without loss: numbers of up to 32
 * bits and booleans as they are; 64-bit integers, numerics and floats as strings (JavaScript holds
 * 53 bits, and JSON has no NaN); bytes as base64; everything else as its text. Without state, so
 * safe for use by several threads.
 */
public final class JsonValues {
  private JsonValues() {}

  /** One value. */
  public static @Nullable Object of(@Nullable Object value) {
    if (value == null
        || value instanceof Boolean
        || value instanceof Integer
        || value instanceof Short
        || value instanceof Byte) {
      return value;
    } else if (value instanceof BigDecimal number) {
      return number.toPlainString();
    } else if (value instanceof Long || value instanceof BigInteger || value instanceof Number) {
      return value.toString();
    } else if (value instanceof byte[] bytes) {
      return Base64.getEncoder().encodeToString(bytes);
    } else if (value instanceof EnumType literal) {
      return literal.getLiteral();
    } else if (value instanceof Object[] array) {
      return list(Arrays.asList(array));
    } else if (value instanceof Collection<?> collection) {
      return list(collection);
    } else if (value instanceof Record row) {
      return ofRecord(row);
    }
    return value.toString();
  }

  private static List<@Nullable Object> list(Collection<?> values) {
    List<@Nullable Object> list = new ArrayList<>(values.size());
    values.forEach(value -> list.add(of(value)));
    return Collections.unmodifiableList(list);
  }

  /** A row as a map of field name to value, in the order of its fields. */
  public static Map<String, @Nullable Object> ofRecord(Record row) {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    for (Field<?> field : row.fields()) {
      map.put(field.getName(), of(row.get(field)));
    }
    return Collections.unmodifiableMap(map);
  }
}
