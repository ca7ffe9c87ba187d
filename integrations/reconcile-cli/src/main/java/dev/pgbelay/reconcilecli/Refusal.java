package dev.pgbelay.reconcilecli;

import dev.pgbelay.core.PgBelayException;
import java.util.function.Supplier;

/** The command cannot be run as it was given; the message says why, and what to do. */
final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final boolean misuse;

  /** The database, or the class with the declarations, is not what it should be. */
  Refusal(String message) {
    this(message, false);
  }

  private Refusal(String message, boolean misuse) {
    super(message, null, false, false);
    this.misuse = misuse;
  }

  /** The arguments are wrong, and will be so again. */
  static Refusal ofArguments(String message) {
    return new Refusal(message, true);
  }

  /** Takes the library's refusal for one of the arguments, which are all that it was given. */
  static <T> T ofArguments(Supplier<T> made) {
    try {
      return made.get();
    } catch (PgBelayException e) {
      throw ofArguments(String.valueOf(e.getMessage()));
    }
  }

  boolean isMisuse() {
    return misuse;
  }
}
