package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.jobqueue.internal.Names;
import java.time.Duration;
import java.util.Map;
import java.util.Set;

/** What names and options of this module must be. */
final class Options {
  static final Duration LONGEST_DELAY = Duration.ofDays(3_650);
  static final Duration LARGEST_PRIORITY = Duration.ofDays(365);
  private static final int LONGEST_HEADER = 4_096;
  private static final int MOST_HEADERS = 32;
  private static final int LONGEST_KEY = 255;
  private static final int MOST_TAGS = 16;

  private Options() {}

  static String requireName(String option, String name) {
    return Names.require(option, name);
  }

  static void require(String option, Duration value, Duration least, Duration most) {
    OptionRange.require(option, value, least, most);
  }

  static void require(String option, long value, long least, long most) {
    OptionRange.require(option, value, least, most);
  }

  /** A key's value is not in the message: it may name a person. */
  static void requireKey(String option, String key) {
    require("the length of " + option, key.length(), 1, LONGEST_KEY);
    if (key.indexOf(0) >= 0) {
      throw new PgBelayException(option + " holds a NUL, which PostgreSQL does not store");
    }
  }

  static void requireDeadline(String option, Duration time) {
    require(option, time, Duration.ofMillis(100), Duration.ofDays(1));
  }

  static void requireTags(Set<String> tags) {
    require("the number of tags", tags.size(), 0, MOST_TAGS);
    tags.forEach(tag -> requireName("tag", tag));
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
