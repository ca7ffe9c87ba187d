package dev.pgbelay.reconcile.internal;

import dev.pgbelay.core.PgBelayException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Refuses what a caller has not given, or not as a whole, naming it and the remedy. */
public final class Given {
  /** PostgreSQL cuts the rest off. */
  private static final int LONGEST_NAME = 63;

  private Given() {}

  /** Passes what must be there. */
  public static <T> T required(String what, @Nullable T value) {
    if (value == null) {
      throw new PgBelayException(what + " is null: give one");
    }
    return value;
  }

  /** Passes an option, which has a default. */
  public static <T> T option(String option, @Nullable T value) {
    if (value == null) {
      throw new PgBelayException(option + " is null: leave the call out to have its default");
    }
    return value;
  }

  /** Passes a list that has no gap. */
  public static <T> List<T> all(String what, @Nullable Collection<? extends @Nullable T> values) {
    List<T> given = new ArrayList<>();
    for (T each : required(what, values)) {
      if (each == null) {
        throw new PgBelayException(
            "%s: number %d is null; leave it out".formatted(what, given.size() + 1));
      }
      given.add(each);
    }
    return List.copyOf(given);
  }

  /** The same of arguments. */
  public static <T> List<T> all(String what, @Nullable T @Nullable [] values) {
    return all(what, Arrays.asList(required(what, values)));
  }

  /** Passes values to write, in their order. */
  public static <K> Map<K, Object> values(
      String what, @Nullable Map<? extends @Nullable K, ? extends @Nullable Object> values) {
    Map<K, Object> given = new LinkedHashMap<>();
    required(what, values)
        .forEach(
            (column, value) -> {
              if (column == null || value == null) {
                throw new PgBelayException(
                    "%s: %s is null; write DSL.inline((Object) null) to set a column to NULL"
                        .formatted(what, column == null ? "a column" : "the value of " + column));
              }
              given.put(column, value);
            });
    return given;
  }

  /** Passes the name of the schema of the library's tables. */
  public static String schema(@Nullable String name) {
    return identifier("schema", option("schema", name));
  }

  /** Passes a name that PostgreSQL keeps as it is. */
  public static String identifier(String option, String name) {
    int bytes = name.getBytes(StandardCharsets.UTF_8).length;
    if (name.isBlank() || bytes > LONGEST_NAME || name.chars().anyMatch(c -> c < ' ')) {
      throw new PgBelayException(
          "%s is \"%s\" with %d bytes: must have 1 to %d, not all of them blank and none a control character"
              .formatted(option, name, bytes, LONGEST_NAME));
    }
    return name;
  }

  /**
   * Passes a key's value as the text that PostgreSQL is to read.
   *
   * @param what wants the key
   */
  public static String keyText(String what, @Nullable Object value) {
    if (value == null) {
      throw new PgBelayException(
          what
              + ": a value of the key is null, and a key with a NULL refers to nothing; leave it out");
    }
    if (value.getClass().isArray()) {
      throw new PgBelayException(
          "%s: a value of the key is an array (%s), which has no text; give it as PostgreSQL writes it, such as \\x00ff for bytea"
              .formatted(what, value.getClass().getSimpleName()));
    }
    String text = String.valueOf(value);
    if (text.indexOf('\0') >= 0) {
      throw new PgBelayException(
          what
              + ": a value of the key holds a NUL, which no text of PostgreSQL does; leave it out");
    }
    return text;
  }
}
