package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

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
      String option, @Nullable T value, T least, T most) {
    if (value == null) {
      throw new PgBelayException(
          option + " must be between " + least + " and " + most + ", is null");
    }
    if (value.compareTo(least) < 0 || value.compareTo(most) > 0) {
      throw new PgBelayException(
          option + " must be between " + least + " and " + most + ", is " + value);
    }
  }

  /**
   * Passes whole days from {@code least} to {@code most}.
   *
   * @param what goes a day at a time, in the plural
   */
  public static void requireWholeDays(
      String option, Duration time, Duration least, Duration most, String what) {
    require(option, time, least, most);
    if (!Duration.ofDays(time.toDays()).equals(time)) {
      throw new PgBelayException(
          option + " must be whole days, is " + time + ": " + what + " go a day at a time");
    }
  }
}
