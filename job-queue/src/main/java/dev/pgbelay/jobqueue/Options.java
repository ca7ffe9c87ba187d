package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Pattern;

/** What names and options of this module must be. */
final class Options {
  static final Duration LONGEST_DELAY = Duration.ofDays(3_650);
  static final Duration LARGEST_PRIORITY = Duration.ofDays(365);
  private static final int LONGEST_HEADER = 4_096;
  private static final int MOST_HEADERS = 32;
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");

  private Options() {}

  static String requireName(String option, String name) {
    if (!NAME.matcher(name).matches()) {
      throw new PgBelayException(
          option
              + " '"
              + name
              + "' must be 1 to 63 letters, digits, '.', '-' or '_', a letter or digit first");
    }
    return name;
  }

  static void require(String option, Duration value, Duration least, Duration most) {
    OptionRange.require(option, value, least, most);
  }

  static void require(String option, long value, long least, long most) {
    OptionRange.require(option, value, least, most);
  }

  /** Values are not in the messages: they may be secrets. */
  static void requireHeaders(Map<String, String> headers) {
    require("the number of headers", headers.size(), 0, MOST_HEADERS);
    headers.forEach(
        (name, value) -> {
          require("the length of header '" + name + "'", name.length(), 1, 255);
          require("the length of header '" + name + "'s value", value.length(), 0, LONGEST_HEADER);
          if (name.indexOf(0) >= 0 || value.indexOf(0) >= 0) {
            throw new PgBelayException(
                "header '"
                    + name.replace("\0", "\\0")
                    + "' holds a NUL, which PostgreSQL does not store");
          }
        });
  }
}
