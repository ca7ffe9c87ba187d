package dev.pgbelay.idempotency.http;

import dev.pgbelay.core.PgBelayException;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The value of {@code Idempotency-Key}: a String of Structured Fields (RFC 9651, section 3.3.3),
 * which is text of printable ASCII in double quotes, with a backslash before a quote or a
 * backslash. The draft (draft-ietf-httpapi-idempotency-key-header) wants the quotes; many clients
 * leave them out.
 */
public final class KeyHeader {
  /** The header's name. */
  public static final String NAME = "Idempotency-Key";

  /** More than any key that this library stores, escapes and parameters included. */
  private static final int LONGEST_VALUE = 1_024;

  /**
   * What may stand bare where that is accepted: what a UUID, a ULID or a Base64 text is made of.
   */
  private static final Pattern BARE = Pattern.compile("[A-Za-z0-9._:/+=-]+");

  /** Parameters have no meaning here, but are part of the syntax (section 3.1.2). */
  private static final Pattern PARAMETERS =
      Pattern.compile(
          "(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:\"(?:[ !#-\\[\\]-~]|\\\\[\"\\\\])*+\"|[A-Za-z0-9*:?@+/.'=_-]+))?)*+ *");

  private KeyHeader() {}

  /**
   * Writes a key as the header's value.
   *
   * @throws PgBelayException if it is empty or has other characters than printable ASCII; the key
   *     is not in the message
   */
  public static String format(String key) {
    StringBuilder value = new StringBuilder(key.length() + 2).append('"');
    for (int i = 0; i < key.length(); i++) {
      char character = key.charAt(i);
      if (!isPrintable(character)) {
        throw new PgBelayException(
            "an idempotency key has a character outside of printable ASCII at %d: use a UUID"
                .formatted(i));
      }
      if (character == '"' || character == '\\') {
        value.append('\\');
      }
      value.append(character);
    }
    if (key.isEmpty()) {
      throw new PgBelayException("an idempotency key is empty: use a UUID");
    }
    return value.append('"').toString();
  }

  /**
   * Reads the header's value.
   *
   * @return the key; empty if the value is not a String of Structured Fields, or the key is empty
   */
  public static Optional<String> parse(String value) {
    String text = strip(value);
    if (text.length() > LONGEST_VALUE || !text.startsWith("\"")) {
      return Optional.empty();
    }
    StringBuilder key = new StringBuilder();
    int i = 1;
    for (; i < text.length() && text.charAt(i) != '"'; i++) {
      char character = text.charAt(i);
      if (character == '\\') {
        i++;
        if (i == text.length() || (text.charAt(i) != '"' && text.charAt(i) != '\\')) {
          return Optional.empty();
        }
        character = text.charAt(i);
      }
      if (!isPrintable(character)) {
        return Optional.empty();
      }
      key.append(character);
    }
    return i == text.length()
            || key.isEmpty()
            || !PARAMETERS.matcher(text.substring(i + 1)).matches()
        ? Optional.empty()
        : Optional.of(key.toString());
  }

  /**
   * Reads the header's value, and one without quotes as well if it has only letters, digits and
   * {@code . _ : / + = -}: not what the draft says, but what older clients send.
   *
   * @return the key; empty if the value is neither
   */
  public static Optional<String> parseLeniently(String value) {
    String text = strip(value);
    return text.length() <= LONGEST_VALUE && BARE.matcher(text).matches()
        ? Optional.of(text)
        : parse(text);
  }

  /** Spaces alone, as section 4.2 says. */
  private static String strip(String value) {
    int begin = 0;
    int end = value.length();
    while (begin < end && value.charAt(begin) == ' ') {
      begin++;
    }
    while (end > begin && value.charAt(end - 1) == ' ') {
      end--;
    }
    return value.substring(begin, end);
  }

  private static boolean isPrintable(char character) {
    return character >= 0x20 && character <= 0x7e;
  }
}
