package dev.pgbelay.jobqueue.control;

import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;

/**
 * So many jobs in such a time, over all workers. In no stretch of that time are more than {@code
 * count + burst} claimed, and after a pause no more than {@code burst} at once. By the database's
 * clock. Immutable.
 *
 * @param count 1 to 1,000,000
 * @param per 1 s to 1 day
 * @param burst 1 to {@code count}
 */
public record Rate(int count, Duration per, int burst) {
  /**
   * @throws dev.pgbelay.core.PgBelayException naming what is out of its range
   */
  public Rate {
    OptionRange.require("count", count, 1, 1_000_000);
    OptionRange.require("per", per, Duration.ofSeconds(1), Duration.ofDays(1));
    OptionRange.require("burst", burst, 1, count);
  }

  /** With a burst of a tenth, at least one. */
  public static Rate of(int count, Duration per) {
    return new Rate(count, per, Math.max(1, count / 10));
  }
}
