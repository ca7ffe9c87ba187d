package dev.pgbelay.keyset;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.HexFormat;
import java.util.UUID;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import org.jooq.EnumType;
import org.jspecify.annotations.Nullable;

/**
 * A key's value as bytes in a cursor: how it comes out of a row, how it goes back as text, and how
 * a value given in Java becomes the same bytes.
 *
 * @param length of the bytes; negative if they vary
 * @param reader reads a column; null for NULL
 * @param text what is bound for the bytes; the server takes the type from the other side
 * @param wire the bytes for a Java value
 */
record KeyWire(
    int length, Reader reader, Function<byte[], String> text, Function<Object, byte[]> wire) {

  /** Reads one column of the row that a result stands on. */
  interface Reader {
    byte @Nullable [] read(ResultSet row, int column) throws SQLException;
  }

  private static final Reader BYTES = ResultSet::getBytes;

  static final KeyWire BOOL =
      new KeyWire(
          1,
          (row, column) -> flag(row.getBoolean(column)),
          wire -> wire[0] == 0 ? "false" : "true",
          value -> flag((Boolean) value));

  /** Parsed here, because the driver's own {@code getLong} rounds what is not whole. */
  static final KeyWire INT =
      new KeyWire(
          8,
          (row, column) -> {
            String digits = row.getString(column);
            return digits == null ? null : bytes(Long.parseLong(digits));
          },
          wire -> Long.toString(ByteBuffer.wrap(wire).getLong()),
          value -> bytes(((Number) value).longValue()));

  static final KeyWire FLOAT4 =
      new KeyWire(
          4,
          BYTES,
          wire -> Float.toString(ByteBuffer.wrap(wire).getFloat()),
          value -> ByteBuffer.allocate(4).putFloat(((Number) value).floatValue()).array());

  static final KeyWire FLOAT8 =
      new KeyWire(
          8,
          BYTES,
          wire -> Double.toString(ByteBuffer.wrap(wire).getDouble()),
          value -> ByteBuffer.allocate(8).putDouble(((Number) value).doubleValue()).array());

  static final KeyWire TEXT =
      new KeyWire(
          -1,
          (row, column) -> {
            String text = row.getString(column);
            return text == null ? null : text.getBytes(UTF_8);
          },
          wire -> new String(wire, UTF_8),
          value ->
              (value instanceof EnumType literal ? literal.getLiteral() : value.toString())
                  .getBytes(UTF_8));

  static final KeyWire UUID_BYTES =
      new KeyWire(
          16,
          BYTES,
          wire -> {
            ByteBuffer buffer = ByteBuffer.wrap(wire);
            return new UUID(buffer.getLong(), buffer.getLong()).toString();
          },
          value -> {
            UUID uuid = (UUID) value;
            return ByteBuffer.allocate(16)
                .putLong(uuid.getMostSignificantBits())
                .putLong(uuid.getLeastSignificantBits())
                .array();
          });

  static final KeyWire BYTEA =
      new KeyWire(
          -1, BYTES, wire -> "\\x" + HexFormat.of().formatHex(wire), value -> (byte[]) value);

  static final KeyWire DATE =
      new KeyWire(
          4,
          BYTES,
          wire -> PgTime.dateText(ByteBuffer.wrap(wire).getInt()),
          value -> ByteBuffer.allocate(4).putInt(days(value)).array());

  static final KeyWire TIME =
      new KeyWire(
          8,
          BYTES,
          wire -> PgTime.timeText(ByteBuffer.wrap(wire).getLong()),
          value -> bytes(PgTime.micros((LocalTime) value)));

  static final KeyWire TIMESTAMP = timestamp(false, value -> PgTime.micros((LocalDateTime) value));

  static final KeyWire TIMESTAMPTZ =
      timestamp(
          true,
          value ->
              value instanceof Instant at
                  ? PgTime.micros(at)
                  : PgTime.micros((OffsetDateTime) value));

  private static KeyWire timestamp(boolean withZone, ToLongFunction<Object> micros) {
    return new KeyWire(
        8,
        BYTES,
        wire -> PgTime.timestampText(ByteBuffer.wrap(wire).getLong(), withZone),
        value ->
            bytes(
                value instanceof String word
                    ? infinite(word, PgTime.INFINITY, PgTime.MINUS_INFINITY)
                    : micros.applyAsLong(value)));
  }

  private static int days(Object value) {
    return value instanceof String word
        ? (int) infinite(word, PgTime.DATE_INFINITY, PgTime.DATE_MINUS_INFINITY)
        : PgTime.days((LocalDate) value);
  }

  private static long infinite(String word, long infinity, long minusInfinity) {
    return word.equals("infinity") ? infinity : minusInfinity;
  }

  private static byte[] flag(boolean value) {
    return new byte[] {(byte) (value ? 1 : 0)};
  }

  private static byte[] bytes(long value) {
    return ByteBuffer.allocate(8).putLong(value).array();
  }
}
