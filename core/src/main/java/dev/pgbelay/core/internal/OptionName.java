package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Refuses a builder's name that is unfit for threads and tags of metrics, naming the value. */
public final class OptionName {
  private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9.-]*");

  private OptionName() {}

  /**
   * Passes a name that is fit.
   *
   * @param longest how many characters it may have, of which what the caller appends is taken off
   */
  public static String require(@Nullable String name, int longest) {
    return require("name", name, longest);
  }

  /**
   * {@link #require(String, int)} for a name that has another one.
   *
   * @param option how the builder calls it
   */
  public static String require(String option, @Nullable String name, int longest) {
    if (name == null || name.length() > longest || !NAME.matcher(name).matches()) {
      throw new PgBelayException(
          option
              + " is \""
              + name
              + "\": must be 1 to "
              + longest
              + " of a-z, 0-9, dot and hyphen, a letter first");
    }
    return name;
  }
}
