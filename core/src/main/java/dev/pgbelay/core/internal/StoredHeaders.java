package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Texts by name that travel with a row, as PostgreSQL's array of text: name, value, name, value.
 */
public final class StoredHeaders {
  private static final int MOST = 32;
  private static final int LONGEST_NAME = 255;
  private static final int LONGEST_VALUE = 4_096;

  private StoredHeaders() {}

  /**
   * Passes what can be stored. Values are not in the messages: they may be secrets.
   *
   * @throws PgBelayException naming the header and the rule
   */
  public static void require(Map<String, String> headers) {
    OptionRange.require("the number of headers", headers.size(), 0, MOST);
    headers.forEach(
        (name, value) -> {
          String shown = name.replace("\0", "\\0");
          OptionRange.require(
              "the length of header '" + shown + "'", name.length(), 1, LONGEST_NAME);
          OptionRange.require(
              "the length of header '" + shown + "'s value", value.length(), 0, LONGEST_VALUE);
          if (name.indexOf(0) >= 0 || value.indexOf(0) >= 0) {
            throw new PgBelayException(
                "header '" + shown + "' holds a NUL, which PostgreSQL does not store: encode it");
          }
        });
  }

  /** The literal of the array; null for none. */
  public static @Nullable String write(Map<String, String> headers) {
    if (headers.isEmpty()) {
      return null;
    }
    ArrayLiteral literal =
        ArrayLiteral.of(2 * headers.size(), wrong -> new PgBelayException("a header " + wrong));
    headers.forEach(
        (name, value) -> {
          literal.add(name);
          literal.add(value);
        });
    return literal.toString();
  }

  /** Names and values that take turns, in their order. */
  public static Map<String, String> read(List<String> texts) {
    if (texts.isEmpty()) {
      return Map.of();
    }
    Map<String, String> pairs = new LinkedHashMap<>();
    for (int i = 0; i + 1 < texts.size(); i += 2) {
      pairs.put(texts.get(i), texts.get(i + 1));
    }
    return Collections.unmodifiableMap(pairs);
  }
}
