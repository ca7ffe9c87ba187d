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
import java.time.DateTimeException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Binding;
import org.jooq.Param;
import org.jooq.exception.DataTypeException;
import org.jspecify.annotations.Nullable;

/** The values of a select's own parameters: those written into it, and those given by name. */
final class FilterValues {
  /** Names that the statements of pages use themselves. */
  private static final String RESERVED = "pgbelay_";

  /** Sets a value as the type that JDBC and jOOQ send it as. */
  private interface Setter {
    void set(PreparedStatement statement, int index, Object value) throws SQLException;
  }

  /** What a Java class is to the server. */
  private record BoundType(int sqlType, Setter setter) {}

  /** Whatever is not here is sent as text without a type. */
  private static final Map<Class<?>, BoundType> BOUND_TYPES =
      Map.of(
          Long.class,
          new BoundType(Types.BIGINT, (s, i, value) -> s.setLong(i, (Long) value)),
          Integer.class,
          new BoundType(Types.INTEGER, (s, i, value) -> s.setInt(i, (Integer) value)),
          Short.class,
          new BoundType(Types.SMALLINT, (s, i, value) -> s.setShort(i, (Short) value)),
          Boolean.class,
          new BoundType(Types.BOOLEAN, (s, i, value) -> s.setBoolean(i, (Boolean) value)),
          String.class,
          new BoundType(Types.VARCHAR, (s, i, value) -> s.setString(i, (String) value)),
          BigDecimal.class,
          new BoundType(Types.NUMERIC, (s, i, value) -> s.setBigDecimal(i, (BigDecimal) value)),
          Double.class,
          new BoundType(Types.OTHER, (s, i, value) -> s.setDouble(i, (Double) value)),
          Float.class,
          new BoundType(Types.OTHER, (s, i, value) -> s.setFloat(i, (Float) value)),
          byte[].class,
          new BoundType(Types.OTHER, (s, i, value) -> s.setBytes(i, (byte[]) value)),
          UUID.class,
          new BoundType(Types.OTHER, (s, i, value) -> s.setObject(i, value)));

  private final String queryName;
  private final List<Param<?>> params;
  private final Map<String, Optional<Object>> byName;

  private FilterValues(
      String queryName, List<Param<?>> params, Map<String, Optional<Object>> byName) {
    this.queryName = queryName;
    this.params = params;
    this.byName = byName;
  }

  /**
   * Of a select that was rendered.
   *
   * @throws InvalidKeysetQueryException if a value in it can never be sent, or a name is taken
   */
  static FilterValues of(String queryName, Renderer.Template select) {
    List<Param<?>> params = select.params();
    if (select.textWithMarks().indexOf('\0') >= 0) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.SELECT,
          "query '%s': a value inlined in its select contains U+0000, which PostgreSQL's text cannot hold; remove it"
              .formatted(queryName));
    }
    Map<String, Param<?>> named = new HashMap<>();
    for (Param<?> param : params) {
      Param<?> namesake =
          param.getParamName() == null ? null : named.putIfAbsent(param.getParamName(), param);
      if (namesake != null && !namesake.getType().equals(param.getType())) {
        throw new InvalidKeysetQueryException(
            InvalidKeysetQueryException.Reason.SELECT,
            "query '%s' uses the parameter '%s' as %s and as %s; give each a name of its own"
                .formatted(
                    queryName,
                    param.getParamName(),
                    namesake.getType().getSimpleName(),
                    param.getType().getSimpleName()));
      }
      if (param.getParamName() != null && param.getParamName().startsWith(RESERVED)) {
        throw new InvalidKeysetQueryException(
            InvalidKeysetQueryException.Reason.SELECT,
            "query '%s' has a parameter named '%s'; names that begin with '%s' are taken, choose another"
                .formatted(queryName, param.getParamName(), RESERVED));
      }
      unusable(param, param.getValue())
          .ifPresent(
              rule -> {
                throw new InvalidKeysetQueryException(
                    InvalidKeysetQueryException.Reason.SELECT,
                    "query '%s': a value in its select %s".formatted(queryName, rule));
              });
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
      Object converted = ownCopy(param.getDataType().convert(value));
      WholeNumbers.requireSame(value, converted);
      if (converted == null && value != null) {
        throw new DataTypeException("jOOQ made NULL of it");
      }
      more.put(name, Optional.ofNullable(converted));
      unusable(param, converted)
          .ifPresent(
              rule -> {
                throw new InvalidPageRequestException(
                    VALUE_UNUSABLE,
                    "query '%s': the value given for '%s' %s".formatted(queryName, name, rule));
              });
    } catch (DataTypeException e) {
      throw new InvalidPageRequestException(
          VALUE_UNUSABLE,
          "query '%s': the value given for '%s' cannot become a %s"
              .formatted(queryName, name, param.getType().getSimpleName()));
    }
    return new FilterValues(queryName, params, Map.copyOf(more));
  }

  /** The caller's array may change after the cursors were bound to it. */
  private static @Nullable Object ownCopy(@Nullable Object value) {
    if (value instanceof byte[] bytes) {
      return bytes.clone();
    }
    if (value instanceof Object[] array) {
      Object[] copy = array.clone();
      for (int i = 0; i < copy.length; i++) {
        copy[i] = ownCopy(copy[i]);
      }
      return copy;
    }
    return value;
  }

  /** Which rule of PostgreSQL a value breaks, and what to do; empty if none. */
  private static Optional<String> unusable(Param<?> param, @Nullable Object value) {
    Object sent = value == null ? null : toDatabase(param.getBinding(), value);
    if (sent == null) {
      return Optional.empty();
    }
    try {
      return ValueText.of(sent).indexOf('\0') < 0
          ? Optional.empty()
          : Optional.of(
              "contains U+0000, which PostgreSQL's text cannot hold; remove it before it gets here");
    } catch (DateTimeException e) {
      return Optional.of(
          "is a %s that PostgreSQL does not have (%s); give one within its range, or leave the condition out"
              .formatted(param.getType().getSimpleName(), PgTime.RANGE));
    }
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
      byte[] text = value == null ? new byte[0] : ValueText.canonical(value).getBytes(UTF_8);
      all.writeBytes(ByteBuffer.allocate(4).putInt(value == null ? -1 : text.length).array());
      all.writeBytes(text);
    }
    return all.toByteArray();
  }

  void bind(PreparedStatement statement, int index, Param<?> param) throws SQLException {
    Object value = databaseValue(param);
    if (value == null) {
      BoundType type = BOUND_TYPES.get(param.getBinding().converter().fromType());
      statement.setNull(index, type == null ? Types.OTHER : type.sqlType());
      return;
    }
    BoundType type = BOUND_TYPES.get(value.getClass());
    if (type == null) {
      // jOOQ has rendered a cast around these; the server reads the text as what the cast says.
      statement.setObject(index, ValueText.of(value), Types.OTHER);
    } else {
      type.setter().set(statement, index, value);
    }
  }

  /** The value as a literal without a type, which takes it from where it stands. */
  String literal(Param<?> param) {
    Object value = databaseValue(param);
    return value == null ? "null" : "'" + ValueText.of(value).replace("'", "''") + "'";
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
}
