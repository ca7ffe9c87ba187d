package dev.pgbelay.keyset;

import static org.jooq.impl.DSL.function;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Date;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jooq.EnumType;
import org.jooq.Field;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * How a key's value travels: from the row into the cursor without losing a bit, and back as text
 * whose type the server takes from the column it is compared with. Nothing is ever cast on the
 * column's side, and no value passes through a type that is narrower than PostgreSQL's; so the
 * server's type has to be one of those that the kind is made for.
 */
@SuppressWarnings(
    "ImmutableEnumChecker") // functions without state, an array that is not given away
enum KeyType {
  BOOL(KeyWire.BOOL, KeyType.IN_PLACE, 16),
  /** int2, int4, int8, oid. */
  INT(KeyWire.INT, KeyType.IN_PLACE, 20, 21, 23, 26),
  /** As text: keeps the scale, NaN and the infinities, and what every other number has. */
  NUMERIC(KeyWire.TEXT, KeyType.AS_TEXT, 1700, 20, 21, 23, 26, 700, 701),
  FLOAT4(KeyWire.FLOAT4, "float4send", 700),
  FLOAT8(KeyWire.FLOAT8, "float8send", 700, 701),
  /**
   * "char", name, text, varchar, char(n), uuid, inet, cidr, macaddr, macaddr8, bit, varbit,
   * interval and types of the database's own (citext, enums): those whose text the driver passes on
   * as it is.
   */
  TEXT(
      KeyWire.TEXT,
      KeyType.IN_PLACE,
      18,
      19,
      25,
      705,
      1042,
      1043,
      2950,
      869,
      650,
      829,
      774,
      1560,
      1562,
      1186),
  /** A type that jOOQ does not know: through its text form, which the server parses again. */
  OPAQUE(KeyWire.TEXT, KeyType.AS_TEXT),
  UUID_BYTES(KeyWire.UUID_BYTES, "uuid_send", 2950),
  BYTEA(KeyWire.BYTEA, KeyType.IN_PLACE, 17),
  DATE(KeyWire.DATE, "date_send", 1082),
  TIME(KeyWire.TIME, "time_send", 1083),
  TIMESTAMP(KeyWire.TIMESTAMP, "timestamp_send", 1114),
  TIMESTAMPTZ(KeyWire.TIMESTAMPTZ, "timestamptz_send", 1184);

  private static final String IN_PLACE = "";
  private static final String AS_TEXT = "text";

  /** Types from here on are not PostgreSQL's own. */
  private static final int FIRST_OID_OF_A_DATABASE = 16_384;

  private static final Map<Class<?>, KeyType> BY_CLASS =
      Map.ofEntries(
          Map.entry(Boolean.class, BOOL),
          Map.entry(Short.class, INT),
          Map.entry(Integer.class, INT),
          Map.entry(Long.class, INT),
          Map.entry(BigDecimal.class, NUMERIC),
          Map.entry(BigInteger.class, NUMERIC),
          Map.entry(Float.class, FLOAT4),
          Map.entry(Double.class, FLOAT8),
          Map.entry(String.class, TEXT),
          Map.entry(UUID.class, UUID_BYTES),
          Map.entry(byte[].class, BYTEA),
          Map.entry(LocalDate.class, DATE),
          Map.entry(Date.class, DATE),
          Map.entry(LocalTime.class, TIME),
          Map.entry(Time.class, TIME),
          Map.entry(LocalDateTime.class, TIMESTAMP),
          Map.entry(Timestamp.class, TIMESTAMP),
          Map.entry(OffsetDateTime.class, TIMESTAMPTZ),
          Map.entry(Instant.class, TIMESTAMPTZ),
          Map.entry(Object.class, OPAQUE));

  private final KeyWire wire;
  private final String output;
  private final int[] serverTypes;

  /**
   * For one kind of key.
   *
   * @param output the function whose result is the cursor's value, or that it is the key itself or
   *     the key's text
   * @param serverTypes OIDs of the types that travel like this
   */
  KeyType(KeyWire wire, String output, int... serverTypes) {
    this.wire = wire;
    this.output = output;
    this.serverTypes = serverTypes;
  }

  /** The type for a field, by what its values are on the database's side of any converter. */
  static Optional<KeyType> of(Field<?> field) {
    Class<?> type = field.getConverter().fromType();
    if (EnumType.class.isAssignableFrom(type)) {
      return Optional.of(TEXT);
    }
    return Optional.ofNullable(BY_CLASS.get(type));
  }

  /** Whether values of the server's type keep what they are on their way through a cursor. */
  boolean carries(int serverType) {
    return this == OPAQUE
        || Arrays.stream(serverTypes).anyMatch(oid -> oid == serverType)
        || (this == TEXT && isOfTheDatabase(serverType));
  }

  /** Whether PostgreSQL came without the type: an enum, an extension's. */
  static boolean isOfTheDatabase(int serverType) {
    return serverType >= FIRST_OID_OF_A_DATABASE;
  }

  /** Whether the cursor's value can be read from the column that the caller selected anyway. */
  boolean readInPlace() {
    return output.equals(IN_PLACE);
  }

  /**
   * Whether "equals" may be said as {@code = any (array of one)}: there are no arrays of arrays.
   */
  boolean fitsIntoAnArray() {
    return this != OPAQUE;
  }

  /** The expression to select for the cursor. */
  Field<?> output(Field<?> key) {
    return switch (output) {
      case IN_PLACE -> key;
      case AS_TEXT -> key.cast(SQLDataType.CLOB);
      default -> function(DSL.name("pg_catalog", output), byte[].class, key);
    };
  }

  /**
   * The cursor's bytes, or null for NULL.
   *
   * @throws NumberFormatException if the server has a number there that is not whole
   */
  byte @Nullable [] read(ResultSet row, int column) throws SQLException {
    byte[] value = wire.reader().read(row, column);
    return row.wasNull() ? null : value;
  }

  /** What is bound for these bytes; the server infers the type from the other side. */
  String text(byte[] value) {
    return wire.text().apply(value);
  }

  /**
   * The bytes for a value given in Java, as {@link Field#getConverter()} hands it to the database.
   *
   * @throws ClassCastException if the value has another type
   * @throws java.time.DateTimeException if PostgreSQL has no such day or time
   */
  byte[] wire(Object value) {
    return wire.wire().apply(value);
  }

  boolean isWellFormed(byte[] value) {
    return wire.length() < 0 || value.length == wire.length();
  }

  boolean isTemporal() {
    return this == DATE || this == TIMESTAMP || this == TIMESTAMPTZ;
  }
}
