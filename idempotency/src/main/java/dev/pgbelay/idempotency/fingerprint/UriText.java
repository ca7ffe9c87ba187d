package dev.pgbelay.idempotency.fingerprint;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Paths and queries without what RFC 3986 (section 6.2.2) says makes no difference. */
final class UriText {
  private static final Pattern ESCAPE = Pattern.compile("%([0-9A-Fa-f]{2})");
  private static final Pattern UNRESERVED = Pattern.compile("[A-Za-z0-9._~-]");

  private UriText() {}

  /** Escapes in upper case, and none where none is needed. */
  static String canonical(String text) {
    return ESCAPE
        .matcher(text)
        .replaceAll(
            escape -> {
              String plain = Character.toString(Integer.parseInt(escape.group(1), 16));
              return Matcher.quoteReplacement(
                  UNRESERVED.matcher(plain).matches()
                      ? plain
                      : escape.group().toUpperCase(Locale.ROOT));
            });
  }

  /** Parameters by name; those of one name stay in their order, which can mean something. */
  static List<String> parameters(String query) {
    return Arrays.stream(query.split("&", -1))
        .filter(parameter -> !parameter.isEmpty())
        .map(UriText::canonical)
        .sorted(Comparator.comparing(UriText::name))
        .toList();
  }

  private static String name(String parameter) {
    int equals = parameter.indexOf('=');
    return equals < 0 ? parameter : parameter.substring(0, equals);
  }
}
