package dev.pgbelay.jobqueue.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.regex.Pattern;

/** What a name of a queue, a kind, a tag or a schedule must be. */
public final class Names {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");

  private Names() {}

  /**
   * Passes a name that is fit.
   *
   * @throws PgBelayException naming the option and its value
   */
  public static String require(String option, String name) {
    if (!NAME.matcher(name).matches()) {
      throw new PgBelayException(
          option
              + " '"
              + name
              + "' must be 1 to 63 letters, digits, '.', '-' or '_', a letter or digit first");
    }
    return name;
  }
}
