package dev.pgbelay.keyset;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoField;
import java.time.temporal.ChronoUnit;

/**
 * PostgreSQL's dates and times as the integers it stores (days or microseconds from 2000-01-01,
 * proleptic Gregorian), and their ISO text in UTC. Written by hand because java.time has no
 * infinity and the driver's own conversions pass through the JVM's zone.
 */
final class PgTime {
  static final long INFINITY = Long.MAX_VALUE;
  static final long MINUS_INFINITY = Long.MIN_VALUE;
  static final int DATE_INFINITY = Integer.MAX_VALUE;
  static final int DATE_MINUS_INFINITY = Integer.MIN_VALUE;

  /** For messages. */
  static final String RANGE =
      "dates from 4714-11-24 BC to 5874897-12-31, timestamps from 4714-11-24 BC to 294276-12-31";

  private static final int FIRST_DAY = -2_451_545;
  private static final int LAST_DAY = 2_145_031_948;
  private static final long FIRST_SECOND = -211_813_488_000L;
  private static final long END_SECOND = 9_223_371_331_200L;

  private static final LocalDate EPOCH_DATE = LocalDate.of(2000, 1, 1);
  private static final long EPOCH_SECOND = EPOCH_DATE.toEpochDay() * 86_400;
  private static final long MICROS_PER_SECOND = 1_000_000;
  private static final long MICROS_PER_DAY = 86_400 * MICROS_PER_SECOND;

  private PgTime() {}

  static String timestampText(long micros, boolean withZone) {
    if (micros == INFINITY) {
      return "infinity";
    }
    if (micros == MINUS_INFINITY) {
      return "-infinity";
    }
    LocalDateTime at =
        LocalDateTime.ofEpochSecond(
            Math.floorDiv(micros, MICROS_PER_SECOND) + EPOCH_SECOND,
            (int) Math.floorMod(micros, MICROS_PER_SECOND) * 1_000,
            ZoneOffset.UTC);
    StringBuilder text = new StringBuilder(40);
    appendDate(text, at.toLocalDate());
    text.append(' ');
    appendTime(text, Math.floorMod(micros, MICROS_PER_DAY));
    if (withZone) {
      text.append("+00");
    }
    return withEra(text, at.getYear());
  }

  static String dateText(int days) {
    if (days == DATE_INFINITY) {
      return "infinity";
    }
    if (days == DATE_MINUS_INFINITY) {
      return "-infinity";
    }
    LocalDate date = EPOCH_DATE.plusDays(days);
    StringBuilder text = new StringBuilder(16);
    appendDate(text, date);
    return withEra(text, date.getYear());
  }

  /** {@code 24:00:00} is a time to PostgreSQL, and later than every other. */
  static String timeText(long micros) {
    StringBuilder text = new StringBuilder(16);
    appendTime(text, micros);
    return text.toString();
  }

  /**
   * Microseconds from 2000-01-01.
   *
   * @throws DateTimeException if PostgreSQL has no such timestamp
   */
  static long micros(LocalDateTime at) {
    long second = at.toEpochSecond(ZoneOffset.UTC) - EPOCH_SECOND;
    long micros = roundedMicros(at.get(ChronoField.NANO_OF_SECOND));
    long last = micros == MICROS_PER_SECOND ? second + 1 : second;
    if (second < FIRST_SECOND || last >= END_SECOND) {
      throw new DateTimeException("outside of PostgreSQL's timestamps");
    }
    return second * MICROS_PER_SECOND + micros;
  }

  static long micros(OffsetDateTime at) {
    return micros(at.withOffsetSameInstant(ZoneOffset.UTC).toLocalDateTime());
  }

  static long micros(Instant at) {
    return micros(at.atOffset(ZoneOffset.UTC));
  }

  static long micros(LocalTime at) {
    return at.truncatedTo(ChronoUnit.SECONDS).toSecondOfDay() * MICROS_PER_SECOND
        + roundedMicros(at.get(ChronoField.NANO_OF_SECOND));
  }

  static int days(LocalDate date) {
    long days = ChronoUnit.DAYS.between(EPOCH_DATE, date);
    if (days < FIRST_DAY || days > LAST_DAY) {
      throw new DateTimeException("outside of PostgreSQL's dates");
    }
    return (int) days;
  }

  /**
   * The server rounds what is finer than a microsecond; so must we, or a deep link misses its row.
   */
  private static long roundedMicros(int nanos) {
    return (nanos + 500L) / 1_000;
  }

  private static void appendDate(StringBuilder text, LocalDate date) {
    int year = date.getYear() > 0 ? date.getYear() : 1 - date.getYear();
    appendPadded(text, year, 4).append('-');
    appendPadded(text, date.getMonthValue(), 2).append('-');
    appendPadded(text, date.getDayOfMonth(), 2);
  }

  private static void appendTime(StringBuilder text, long micros) {
    long second = micros / MICROS_PER_SECOND;
    appendPadded(text, second / 3_600, 2).append(':');
    appendPadded(text, second / 60 % 60, 2).append(':');
    appendPadded(text, second % 60, 2).append('.');
    appendPadded(text, micros % MICROS_PER_SECOND, 6);
  }

  private static StringBuilder appendPadded(StringBuilder text, long number, int width) {
    String digits = Long.toString(number);
    for (int i = digits.length(); i < width; i++) {
      text.append('0');
    }
    return text.append(digits);
  }

  private static String withEra(StringBuilder text, int year) {
    return year > 0 ? text.toString() : text.append(" BC").toString();
  }
}
