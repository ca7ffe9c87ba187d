package dev.pgbelay.core.internal;

import dev.pgbelay.core.wakeup.WakeUps;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How often one looks where nothing was found: more seldom while notifications are known to arrive,
 * since looking is only for those that are lost then.
 */
public record PollPace(Duration interval, @Nullable WakeUps wakeUps) {
  private static final Duration FIRST = Duration.ofMillis(50);
  private static final Duration MOST_SELDOM = Duration.ofMinutes(1);
  private static final int SLOWER = 10;

  public Duration first() {
    return interval.compareTo(FIRST) < 0 ? interval : FIRST;
  }

  /** The longest pause there is. */
  public Duration longest() {
    return wakeUps == null ? interval : slow();
  }

  /** The longest pause for now. */
  public Duration now() {
    return wakeUps != null && wakeUps.isHealthy() ? slow() : interval;
  }

  private Duration slow() {
    Duration slow = interval.multipliedBy(SLOWER);
    return slow.compareTo(MOST_SELDOM) > 0 ? MOST_SELDOM : slow;
  }
}
