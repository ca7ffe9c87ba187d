package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.VALUE_MISSING;
import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.VALUE_UNUSABLE;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Binding;
import org.jooq.EnumType;
import org.jooq.JSON;
import org.jooq.JSONB;
import org.jooq.Param;
import org.jooq.exception.DataTypeException;
import org.jspecify.annotations.Nullable;

/** The values of a select's own parameters: those written into it, and those given by name. */
final class FilterValues {
  /** Names that the statements of pages use themselves. */
  private static final String RESERVED = "pgbelay_";

  private final String queryName;
  private final List<Param<?>> params;
  private final Map<String, Optional<Object>> byName;

  private FilterValues(
      String queryName, List<Param<?>> params, Map<String, Optional<Object>> byName) {
    this.queryName = queryName;
    this.params = params;
    this.byName = byName;
  }

  static FilterValues of(String queryName, List<Param<?>> params) {
    for (Param<?> param : params) {
      if (param.getParamName() != null && param.getParamName().startsWith(RESERVED)) {
        throw new InvalidKeysetQueryException(
            InvalidKeysetQueryException.Reason.SELECT,
            "query '%s' has a parameter named '%s'; names that begin with '%s' are taken, choose another"
                .formatted(queryName, param.getParamName(), RESERVED));
      }
    }
    return new FilterValues(queryName, params, Map.of());
  }

  /**
   * The same with one named value more.
   *
   * @throws InvalidPageRequestException if there is no such name or the value does not fit it
   */
  FilterValues with(String name, @Nullable Object value) {
    Param<?> param =
        params.stream()
            .filter(candidate -> name.equals(candidate.getParamName()))
            .findFirst()
            .orElseThrow(
                () ->
                    new InvalidPageRequestException(
                        VALUE_UNUSABLE,
                        "query '%s' has no parameter named '%s'; its names are %s"
                            .formatted(queryName, name, names())));
    Map<String, Optional<Object>> more = new HashMap<>(byName);
    try {
      Object converted = param.getDataType().convert(value);
      WholeNumbers.requireSame(value, converted);
      if (converted == null && value != null) {
        throw new DataTypeException("jOOQ made NULL of it");
      }
      more.put(name, Optional.ofNullable(converted));
    } catch (DataTypeException e) {
      throw new InvalidPageRequestException(
          VALUE_UNUSABLE,
          "query '%s': the value given for '%s' cannot become a %s"
              .formatted(queryName, name, param.getType().getSimpleName()));
    }
    return new FilterValues(queryName, params, Map.copyOf(more));
  }

  private List<String> names() {
    return params.stream()
        .map(Param::getParamName)
        .filter(Objects::nonNull)
        .distinct()
        .sorted()
        .toList();
  }

  /**
   * Fails before any SQL runs.
   *
   * @throws InvalidPageRequestException if a named parameter has no value
   */
  void requireComplete() {
    for (Param<?> param : params) {
      String name = param.getParamName();
      if (name != null && param.getValue() == null && !byName.containsKey(name)) {
        throw new InvalidPageRequestException(
            VALUE_MISSING,
            "query '%s': parameter '%s' has no value; give one with with(\"%s\", …)"
                .formatted(queryName, name, name));
      }
    }
  }

  /** All values as bytes that are equal only if the values are. */
  byte[] canonical() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (Param<?> param : params) {
      Object value = databaseValue(param);
      byte[] text = value == null ? new byte[0] : canonicalText(value).getBytes(UTF_8);
      all.writeBytes(ByteBuffer.allocate(4).putInt(value == null ? -1 : text.length).array());
      all.writeBytes(text);
    }
    return all.toByteArray();
  }

  private static String canonicalText(Object value) {
    if (value instanceof BigDecimal decimal) {
      return decimal.stripTrailingZeros().toString();
    }
    return text(value);
  }

  void bind(PreparedStatement statement, int index, Param<?> param) throws SQLException {
    Object value = databaseValue(param);
    if (value == null) {
      statement.setNull(index, nullType(param.getBinding().converter().fromType()));
    } else if (value instanceof Long number) {
      statement.setLong(index, number);
    } else if (value instanceof Integer number) {
      statement.setInt(index, number);
    } else if (value instanceof Short number) {
      statement.setShort(index, number);
    } else if (value instanceof Boolean flag) {
      statement.setBoolean(index, flag);
    } else if (value instanceof String text) {
      statement.setString(index, text);
    } else if (value instanceof Double number) {
      statement.setDouble(index, number);
    } else if (value instanceof Float number) {
      statement.setFloat(index, number);
    } else if (value instanceof BigDecimal number) {
      statement.setBigDecimal(index, number);
    } else if (value instanceof byte[] bytes) {
      statement.setBytes(index, bytes);
    } else if (value instanceof UUID uuid) {
      statement.setObject(index, uuid);
    } else {
      // jOOQ has rendered a cast around these; the server reads the text as what the cast says.
      statement.setObject(index, text(value), Types.OTHER);
    }
  }

  /** The value as a literal without a type, which takes it from where it stands. */
  String literal(Param<?> param) {
    Object value = databaseValue(param);
    return value == null ? "null" : "'" + text(value).replace("'", "''") + "'";
  }

  private static int nullType(Class<?> type) {
    if (type == Long.class) {
      return Types.BIGINT;
    } else if (type == Integer.class) {
      return Types.INTEGER;
    } else if (type == Short.class) {
      return Types.SMALLINT;
    } else if (type == Boolean.class) {
      return Types.BOOLEAN;
    } else if (type == String.class) {
      return Types.VARCHAR;
    } else if (type == BigDecimal.class) {
      return Types.NUMERIC;
    }
    return Types.OTHER;
  }

  private @Nullable Object databaseValue(Param<?> param) {
    String name = param.getParamName();
    Optional<Object> given = name == null ? null : byName.get(name);
    Object value = given == null ? param.getValue() : given.orElse(null);
    return value == null ? null : toDatabase(param.getBinding(), value);
  }

  @SuppressWarnings("unchecked")
  private static @Nullable Object toDatabase(Binding<?, ?> binding, Object value) {
    return ((Binding<Object, Object>) binding).converter().to(value);
  }

  private static String text(Object value) {
    if (value instanceof EnumType literal) {
      return literal.getLiteral();
    } else if (value instanceof OffsetDateTime at) {
      return PgTime.timestampText(PgTime.micros(at), true);
    } else if (value instanceof Instant at) {
      return PgTime.timestampText(PgTime.micros(at), true);
    } else if (value instanceof LocalDateTime at) {
      return PgTime.timestampText(PgTime.micros(at), false);
    } else if (value instanceof LocalDate date) {
      return PgTime.dateText(PgTime.days(date));
    } else if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    } else if (value instanceof JSON json) {
      return json.data();
    } else if (value instanceof JSONB json) {
      return json.data();
    } else if (value instanceof Object[] array) {
      return arrayText(java.util.Arrays.asList(array));
    } else if (value instanceof Collection<?> list) {
      return arrayText(list);
    }
    return value.toString();
  }

  private static String arrayText(Collection<?> elements) {
    StringBuilder array = new StringBuilder("{");
    for (Object element : elements) {
      if (array.length() > 1) {
        array.append(',');
      }
      if (element == null) {
        array.append("NULL");
      } else {
        String text = text(element).replace("\\", "\\\\").replace("\"", "\\\"");
        array.append('"').append(text).append('"');
      }
    }
    return array.append('}').toString();
  }
}
