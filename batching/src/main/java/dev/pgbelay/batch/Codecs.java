package dev.pgbelay.batch;

import java.nio.ByteBuffer;
import java.sql.Date;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** The binary forms of PostgreSQL's own types. */
final class Codecs {
  private static final long MICROS_PER_DAY = 86_400_000_000L;
  private static final long SECONDS_TO_2000 = 946_684_800L;
  private static final int DAYS_TO_2000 = 10_957;
  // timestamp.h: from 4713-11-24 BC up to, not including, 294277-01-01.
  private static final long MIN_TIMESTAMP = -211_813_488_000_000_000L;
  private static final long END_TIMESTAMP = 9_223_371_331_200_000_000L;
  private static final int MIN_DATE = -2_451_545;
  private static final int END_DATE = 2_145_031_949;

  private Codecs() {}

  /** For values of a base type by its name in pg_catalog; null where there is no binary form. */
  static @Nullable ValueCodec ofType(String type, int typmod) {
    return switch (type) {
      case "bool" -> Codecs::bool;
      case "int2" ->
          (value, out) ->
              out.putShort(
                  (int) Numbers.whole(value, Short.MIN_VALUE, Short.MAX_VALUE, "smallint"));
      case "int4" ->
          (value, out) ->
              out.putInt(
                  (int) Numbers.whole(value, Integer.MIN_VALUE, Integer.MAX_VALUE, "integer"));
      case "int8" ->
          (value, out) ->
              out.putLong(Numbers.whole(value, Long.MIN_VALUE, Long.MAX_VALUE, "bigint"));
      case "float4" -> Codecs::float4;
      case "float8" -> Codecs::float8;
      case "numeric" -> new NumericCodec(typmod);
      case "text" -> text(-1, "text");
      case "varchar" -> text(typmod < 4 ? -1 : typmod - 4, "character varying");
      case "bpchar" -> text(typmod < 4 ? -1 : typmod - 4, "character");
      case "uuid" -> Codecs::uuid;
      case "bytea" -> Codecs::bytea;
      case "date" -> Codecs::date;
      case "time" -> Codecs::time;
      case "timestamp" -> Codecs::timestamp;
      case "timestamptz" -> Codecs::timestamptz;
      default -> null;
    };
  }

  /** Any type whose values are sent as their text. */
  static ValueCodec literal() {
    return (value, out) -> out.putText(TextLiteral.of(value));
  }

  /** {@code jsonb}: a version, then the text. */
  static ValueCodec jsonb() {
    return (value, out) -> {
      out.putByte(1);
      out.putText(TextLiteral.of(value));
    };
  }

  private static ValueCodec text(int maxLength, String type) {
    return (value, out) -> {
      String text = value instanceof String string ? string : TextLiteral.of(value);
      if (maxLength >= 0 && text.length() > maxLength) {
        requireLength(text, maxLength, type);
      }
      out.putText(text);
    };
  }

  /** Trailing spaces beyond the length are cut by the server, as SQL wants it. */
  private static void requireLength(String text, int maxLength, String type) {
    int end = text.length();
    while (end > 0 && text.charAt(end - 1) == ' ') {
      end--;
    }
    String kept = text.substring(0, end);
    if (kept.codePointCount(0, kept.length()) > maxLength
        && text.codePointCount(0, text.length()) > maxLength) {
      throw new UnfitValueException(
          "22001", "the value is too long for type " + type + "(" + maxLength + ")");
    }
  }

  private static void bool(Object value, ByteSink out) {
    if (!(value instanceof Boolean flag)) {
      throw UnfitValueException.type(value, "boolean");
    }
    out.putByte(flag ? 1 : 0);
  }

  private static void float4(Object value, ByteSink out) {
    if (value instanceof Float number) {
      out.putInt(Float.floatToIntBits(number));
      return;
    }
    double number = real(value, "real");
    float narrow = (float) number;
    if (Float.isInfinite(narrow) && !Double.isInfinite(number)) {
      throw UnfitValueException.range("real");
    }
    out.putInt(Float.floatToIntBits(narrow));
  }

  private static void float8(Object value, ByteSink out) {
    out.putLong(Double.doubleToLongBits(real(value, "double precision")));
  }

  private static double real(Object value, String type) {
    if (!(value instanceof Number number)) {
      throw UnfitValueException.type(value, type);
    }
    return value instanceof Float ? Double.parseDouble(value.toString()) : number.doubleValue();
  }

  private static void uuid(Object value, ByteSink out) {
    UUID id;
    if (value instanceof UUID uuid) {
      id = uuid;
    } else if (value instanceof String string) {
      try {
        id = UUID.fromString(string);
      } catch (IllegalArgumentException e) {
        throw new UnfitValueException("22P02", "the text is not a uuid");
      }
    } else {
      throw UnfitValueException.type(value, "uuid");
    }
    out.putLong(id.getMostSignificantBits());
    out.putLong(id.getLeastSignificantBits());
  }

  private static void bytea(Object value, ByteSink out) {
    if (value instanceof byte[] bytes) {
      out.putBytes(bytes);
    } else if (value instanceof ByteBuffer buffer) {
      byte[] bytes = new byte[buffer.remaining()];
      buffer.duplicate().get(bytes);
      out.putBytes(bytes);
    } else {
      throw UnfitValueException.type(value, "bytea");
    }
  }

  private static void date(Object value, ByteSink out) {
    LocalDate date;
    if (value instanceof LocalDate local) {
      date = local;
    } else if (value instanceof Date sql) {
      date = sql.toLocalDate();
    } else {
      throw UnfitValueException.type(value, "date");
    }
    if (date.equals(LocalDate.MAX)) {
      out.putInt(Integer.MAX_VALUE);
    } else if (date.equals(LocalDate.MIN)) {
      out.putInt(Integer.MIN_VALUE);
    } else {
      long days = date.toEpochDay() - DAYS_TO_2000;
      if (days < MIN_DATE || days >= END_DATE) {
        throw UnfitValueException.range("date");
      }
      out.putInt((int) days);
    }
  }

  private static void time(Object value, ByteSink out) {
    LocalTime time;
    if (value instanceof LocalTime local) {
      time = local;
    } else if (value instanceof Time sql) {
      time = sql.toLocalTime();
    } else {
      throw UnfitValueException.type(value, "time");
    }
    // 23:59:59.9999999 rounds to 24:00, which the type has.
    out.putLong(Math.min((time.toNanoOfDay() + 500) / 1000, MICROS_PER_DAY));
  }

  private static void timestamp(Object value, ByteSink out) {
    LocalDateTime time;
    if (value instanceof LocalDateTime local) {
      time = local;
    } else if (value instanceof Timestamp sql) {
      time = sql.toLocalDateTime();
    } else {
      throw UnfitValueException.type(value, "timestamp");
    }
    if (time.equals(LocalDateTime.MAX)) {
      out.putLong(Long.MAX_VALUE);
    } else if (time.equals(LocalDateTime.MIN)) {
      out.putLong(Long.MIN_VALUE);
    } else {
      Instant instant = time.toInstant(ZoneOffset.UTC);
      out.putLong(micros(instant.getEpochSecond(), instant.getNano()));
    }
  }

  private static void timestamptz(Object value, ByteSink out) {
    if (OffsetDateTime.MAX.equals(value)) {
      out.putLong(Long.MAX_VALUE);
    } else if (OffsetDateTime.MIN.equals(value)) {
      out.putLong(Long.MIN_VALUE);
    } else if (value instanceof OffsetDateTime time) {
      out.putLong(micros(time.toEpochSecond(), time.getNano()));
    } else if (value instanceof Instant time) {
      out.putLong(micros(time.getEpochSecond(), time.getNano()));
    } else if (value instanceof ZonedDateTime time) {
      out.putLong(micros(time.toEpochSecond(), time.getNano()));
    } else if (value instanceof Timestamp time) {
      Instant instant = time.toInstant();
      out.putLong(micros(instant.getEpochSecond(), instant.getNano()));
    } else {
      throw UnfitValueException.type(value, "timestamp with time zone");
    }
  }

  /** Rounded to microseconds as the driver does it. */
  private static long micros(long epochSecond, int nano) {
    long seconds = epochSecond - SECONDS_TO_2000;
    if (Math.abs(seconds) > END_TIMESTAMP / 1_000_000) {
      throw UnfitValueException.range("timestamp");
    }
    long micros = seconds * 1_000_000 + (nano + 500) / 1000;
    if (micros < MIN_TIMESTAMP || micros >= END_TIMESTAMP) {
      throw UnfitValueException.range("timestamp");
    }
    return micros;
  }
}
