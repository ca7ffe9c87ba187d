package dev.pgbelay.core.internal;

import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.jooq.EnumType;

/** Values as the text of one array of PostgreSQL's, whose element type the server chooses. */
public final class ArrayLiteral {
  /** As the driver has them. */
  private static final Set<Object> INFINITY =
      Set.of(LocalDate.MAX, LocalDateTime.MAX, OffsetDateTime.MAX);

  private static final Set<Object> MINUS_INFINITY =
      Set.of(LocalDate.MIN, LocalDateTime.MIN, OffsetDateTime.MIN);

  private final StringBuilder text;
  private final Function<String, ? extends RuntimeException> refusal;

  private ArrayLiteral(int values, Function<String, ? extends RuntimeException> refusal) {
    this.text = new StringBuilder(values * 12 + 2).append('{');
    this.refusal = refusal;
  }

  /**
   * An empty array.
   *
   * @param values how many are to be expected
   * @param refusal names what was refused, given what is wrong with a value: "contains …"
   */
  public static ArrayLiteral of(int values, Function<String, ? extends RuntimeException> refusal) {
    return new ArrayLiteral(values, refusal);
  }

  /**
   * Adds an element.
   *
   * @param value as jOOQ would send it; not null
   */
  public void add(Object value) {
    if (text.length() > 1) {
      text.append(',');
    }
    if (value instanceof Long || value instanceof Integer || value instanceof UUID) {
      text.append(value);
    } else {
      appendQuoted(plain(value));
    }
  }

  private String plain(Object value) {
    if (value instanceof EnumType literal) {
      return literal.getLiteral();
    } else if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    } else if (INFINITY.contains(value)) {
      return "infinity";
    } else if (MINUS_INFINITY.contains(value)) {
      return "-infinity";
    } else if (value instanceof LocalDate date) {
      requireYear(date.getYear());
    } else if (value instanceof LocalDateTime at) {
      requireYear(at.getYear());
    } else if (value instanceof OffsetDateTime at) {
      requireYear(at.getYear());
    } else if (value instanceof Instant at) {
      requireYear(at.atOffset(ZoneOffset.UTC).getYear());
    }
    return value.toString();
  }

  private void requireYear(int year) {
    if (year < 1 || year > 9999) {
      throw refusal.apply(
          "lies in the year " + year + ": dates are understood from year 1 to 9999 only");
    }
  }

  private void appendQuoted(String plain) {
    text.append('"');
    for (int i = 0; i < plain.length(); i++) {
      char c = plain.charAt(i);
      if (c == '\0') {
        throw refusal.apply("contains the character NUL, which PostgreSQL cannot store");
      }
      if (c == '"' || c == '\\') {
        text.append('\\');
      }
      text.append(c);
    }
    text.append('"');
  }

  /** What was added, closed. */
  @Override
  public String toString() {
    return text + "}";
  }
}
