package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;

/** Refuses a builder's option outside of its range, naming option, range and value. */
public final class OptionRange {
  private OptionRange() {}

  /**
   * Passes a value from {@code least} to {@code most}.
   *
   * @param least the smallest value that is allowed
   * @param most the largest one
   */
  public static <T extends Comparable<? super T>> void require(
      String option, T value, T least, T most) {
    if (value.compareTo(least) < 0 || value.compareTo(most) > 0) {
      throw new PgBelayException(
          option + " must be between " + least + " and " + most + ", is " + value);
    }
  }
}
