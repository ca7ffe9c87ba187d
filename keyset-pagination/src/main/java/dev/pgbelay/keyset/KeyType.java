package dev.pgbelay.keyset;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.jooq.impl.DSL.function;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.HexFormat;
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
 * column's side, and no value passes through a type that is narrower than PostgreSQL's.
 */
enum KeyType {
  BOOL(1, true) {
    @Override
    byte[] readPresent(ResultSet row, int column) throws SQLException {
      return new byte[] {(byte) (row.getBoolean(column) ? 1 : 0)};
    }

    @Override
    String text(byte[] wire) {
      return wire[0] == 0 ? "false" : "true";
    }

    @Override
    byte[] wire(Object value) {
      return new byte[] {(byte) ((Boolean) value ? 1 : 0)};
    }
  },
  /** int2, int4, int8. */
  INT(8, true) {
    @Override
    byte[] readPresent(ResultSet row, int column) throws SQLException {
      return longBytes(row.getLong(column));
    }

    @Override
    String text(byte[] wire) {
      return Long.toString(ByteBuffer.wrap(wire).getLong());
    }

    @Override
    byte[] wire(Object value) {
      return longBytes(((Number) value).longValue());
    }
  },
  /** As text: keeps the scale, NaN and the infinities. */
  NUMERIC(-1, false) {
    @Override
    Field<?> output(Field<?> key) {
      return key.cast(SQLDataType.CLOB);
    }

    @Override
    byte[] wire(Object value) {
      return value.toString().getBytes(UTF_8);
    }
  },
  FLOAT4(4, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("float4send", key);
    }

    @Override
    String text(byte[] wire) {
      return Float.toString(ByteBuffer.wrap(wire).getFloat());
    }

    @Override
    byte[] wire(Object value) {
      return ByteBuffer.allocate(4).putFloat(((Number) value).floatValue()).array();
    }
  },
  FLOAT8(8, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("float8send", key);
    }

    @Override
    String text(byte[] wire) {
      return Double.toString(ByteBuffer.wrap(wire).getDouble());
    }

    @Override
    byte[] wire(Object value) {
      return ByteBuffer.allocate(8).putDouble(((Number) value).doubleValue()).array();
    }
  },
  /** text, varchar, char(n), citext, enums, inet, and whatever else jOOQ shows as a string. */
  TEXT(-1, true) {
    @Override
    byte[] wire(Object value) {
      return (value instanceof EnumType literal ? literal.getLiteral() : value.toString())
          .getBytes(UTF_8);
    }
  },
  /** A type that jOOQ does not know: through its text form, which the server parses again. */
  OPAQUE(-1, false) {
    @Override
    Field<?> output(Field<?> key) {
      return key.cast(SQLDataType.CLOB);
    }
  },
  UUID_BYTES(16, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("uuid_send", key);
    }

    @Override
    String text(byte[] wire) {
      ByteBuffer buffer = ByteBuffer.wrap(wire);
      return new UUID(buffer.getLong(), buffer.getLong()).toString();
    }

    @Override
    byte[] wire(Object value) {
      UUID uuid = (UUID) value;
      return ByteBuffer.allocate(16)
          .putLong(uuid.getMostSignificantBits())
          .putLong(uuid.getLeastSignificantBits())
          .array();
    }
  },
  BYTEA(-1, true) {
    @Override
    byte[] readPresent(ResultSet row, int column) throws SQLException {
      return row.getBytes(column);
    }

    @Override
    String text(byte[] wire) {
      return "\\x" + HexFormat.of().formatHex(wire);
    }

    @Override
    byte[] wire(Object value) {
      return (byte[]) value;
    }
  },
  DATE(4, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("date_send", key);
    }

    @Override
    String text(byte[] wire) {
      return PgTime.dateText(ByteBuffer.wrap(wire).getInt());
    }

    @Override
    byte[] wire(Object value) {
      int days;
      if (value instanceof String word) {
        days = isInfinity(word) ? PgTime.DATE_INFINITY : PgTime.DATE_MINUS_INFINITY;
      } else {
        days = PgTime.days((LocalDate) value);
      }
      return ByteBuffer.allocate(4).putInt(days).array();
    }
  },
  TIME(8, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("time_send", key);
    }

    @Override
    String text(byte[] wire) {
      return PgTime.timeText(ByteBuffer.wrap(wire).getLong());
    }

    @Override
    byte[] wire(Object value) {
      return longBytes(PgTime.micros((LocalTime) value));
    }
  },
  TIMESTAMP(8, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("timestamp_send", key);
    }

    @Override
    String text(byte[] wire) {
      return PgTime.timestampText(ByteBuffer.wrap(wire).getLong(), false);
    }

    @Override
    byte[] wire(Object value) {
      if (value instanceof String word) {
        return longBytes(isInfinity(word) ? PgTime.INFINITY : PgTime.MINUS_INFINITY);
      }
      return longBytes(PgTime.micros((LocalDateTime) value));
    }
  },
  TIMESTAMPTZ(8, false) {
    @Override
    Field<?> output(Field<?> key) {
      return sent("timestamptz_send", key);
    }

    @Override
    String text(byte[] wire) {
      return PgTime.timestampText(ByteBuffer.wrap(wire).getLong(), true);
    }

    @Override
    byte[] wire(Object value) {
      if (value instanceof String word) {
        return longBytes(isInfinity(word) ? PgTime.INFINITY : PgTime.MINUS_INFINITY);
      }
      return longBytes(
          value instanceof Instant at ? PgTime.micros(at) : PgTime.micros((OffsetDateTime) value));
    }
  };

  private final int wireLength;
  private final boolean readInPlace;

  KeyType(int wireLength, boolean readInPlace) {
    this.wireLength = wireLength;
    this.readInPlace = readInPlace;
  }

  /** The type for a field, by what its values are on the database's side of any converter. */
  static Optional<KeyType> of(Field<?> field) {
    Class<?> type = field.getConverter().fromType();
    if (type == Boolean.class) {
      return Optional.of(BOOL);
    } else if (type == Short.class || type == Integer.class || type == Long.class) {
      return Optional.of(INT);
    } else if (type == BigDecimal.class || type == BigInteger.class) {
      return Optional.of(NUMERIC);
    } else if (type == Float.class) {
      return Optional.of(FLOAT4);
    } else if (type == Double.class) {
      return Optional.of(FLOAT8);
    } else if (type == String.class || EnumType.class.isAssignableFrom(type)) {
      return Optional.of(TEXT);
    } else if (type == UUID.class) {
      return Optional.of(UUID_BYTES);
    } else if (type == byte[].class) {
      return Optional.of(BYTEA);
    } else if (type == LocalDate.class || type == java.sql.Date.class) {
      return Optional.of(DATE);
    } else if (type == LocalTime.class || type == java.sql.Time.class) {
      return Optional.of(TIME);
    } else if (type == LocalDateTime.class || type == java.sql.Timestamp.class) {
      return Optional.of(TIMESTAMP);
    } else if (type == OffsetDateTime.class || type == Instant.class) {
      return Optional.of(TIMESTAMPTZ);
    } else if (type == Object.class) {
      return Optional.of(OPAQUE);
    }
    return Optional.empty();
  }

  /** Whether the cursor's value can be read from the column that the caller selected anyway. */
  boolean readInPlace() {
    return readInPlace;
  }

  /** The expression to select for the cursor. */
  Field<?> output(Field<?> key) {
    return key;
  }

  /** The cursor's bytes, or null for NULL. */
  final byte @Nullable [] read(ResultSet row, int column) throws SQLException {
    byte[] wire = readPresent(row, column);
    return row.wasNull() ? null : wire;
  }

  byte @Nullable [] readPresent(ResultSet row, int column) throws SQLException {
    if (wireLength > 0) {
      return row.getBytes(column);
    }
    String text = row.getString(column);
    return text == null ? null : text.getBytes(UTF_8);
  }

  /** What is bound for these bytes; the server infers the type from the other side. */
  String text(byte[] wire) {
    return new String(wire, UTF_8);
  }

  /**
   * The bytes for a value given in Java, as {@link Field#getConverter()} hands it to the database.
   *
   * @throws ClassCastException if the value has another type
   */
  byte[] wire(Object value) {
    return value.toString().getBytes(UTF_8);
  }

  boolean isWellFormed(byte[] wire) {
    return wireLength < 0 || wire.length == wireLength;
  }

  boolean isTemporal() {
    return this == DATE || this == TIMESTAMP || this == TIMESTAMPTZ;
  }

  private static boolean isInfinity(String word) {
    return word.equals("infinity");
  }

  private static byte[] longBytes(long value) {
    return ByteBuffer.allocate(8).putLong(value).array();
  }

  private static Field<byte[]> sent(String function, Field<?> key) {
    return function(DSL.name("pg_catalog", function), byte[].class, key);
  }
}
