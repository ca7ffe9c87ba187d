package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.OptionRange;
import io.github.resilience4j.core.IntervalFunction;
import java.time.Duration;

/**
 * How long a message waits that could not be delivered: a pause that doubles from attempt to
 * attempt and is spread by a quarter of itself to either side.
 *
 * <p>Immutable and safe for several threads.
 */
public final class RetryPauses {
  private static final double GROWTH = 2.0;
  private static final double SPREAD = 0.25;

  /** Far beyond the step that reaches any maximum. */
  private static final int LAST_STEP = 64;

  private static final RetryPauses DEFAULTS =
      exponential(Duration.ofSeconds(1), Duration.ofMinutes(5));

  private final IntervalFunction pauses;
  private final Duration longest;

  private RetryPauses(IntervalFunction pauses, Duration longest) {
    this.pauses = pauses;
    this.longest = longest;
  }

  /** A second, doubling up to five minutes. */
  public static RetryPauses defaults() {
    return DEFAULTS;
  }

  /**
   * Pauses that begin with {@code first} and double up to {@code longest}, before they are spread.
   *
   * @throws dev.pgbelay.core.PgBelayException unless 10 ms ≤ first ≤ longest ≤ 7 days
   */
  public static RetryPauses exponential(Duration first, Duration longest) {
    OptionRange.require("longest", longest, Duration.ofMillis(10), Duration.ofDays(7));
    OptionRange.require("first", first, Duration.ofMillis(10), longest);
    return new RetryPauses(
        IntervalFunction.ofExponentialRandomBackoff(first, GROWTH, SPREAD, longest), longest);
  }

  Duration after(int attempt) {
    return Duration.ofMillis(pauses.apply(Math.min(Math.max(attempt, 1), LAST_STEP)));
  }

  Duration longest() {
    return longest;
  }
}
