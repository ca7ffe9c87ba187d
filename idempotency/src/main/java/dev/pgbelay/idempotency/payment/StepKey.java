package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Codec;
import java.util.regex.Pattern;

/**
 * Names a step of an operation, and says how its result is kept. Make it a constant: with it a step
 * is declared and its result is read.
 *
 * <p>Immutable, and safe for several threads as its codec is.
 *
 * @param name stays the same for as long as payments are open that have done the step; 1 to 50 of
 *     a-z, 0-9, dot and hyphen, a letter first
 * @param codec of the result
 * @param <T> the result
 */
public record StepKey<T>(String name, Codec<T> codec) {
  private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9.-]{0,49}");

  /**
   * Checks the name.
   *
   * @throws PgBelayException if it is unfit
   */
  public StepKey {
    if (!NAME.matcher(name).matches()) {
      throw new PgBelayException(
          "the name of a step must be 1 to 50 of a-z, 0-9, dot and hyphen, a letter first; is \""
              + name
              + "\"");
    }
  }

  public static <T> StepKey<T> of(String name, Codec<T> codec) {
    return new StepKey<>(name, codec);
  }

  @Override
  public String toString() {
    return name;
  }
}
