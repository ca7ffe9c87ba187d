package dev.pgbelay.core.internal;

import dev.pgbelay.core.wakeup.WakeUps;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How often one looks where nothing was found: more seldom while notifications are known to arrive,
 * since looking is only for those that are lost then.
 *
 * @param first the pause after something was found; pauses double from there
 */
public record PollPace(Duration interval, @Nullable WakeUps wakeUps, Duration first) {
  private static final Duration FIRST = Duration.ofMillis(50);
  private static final Duration MOST_SELDOM = Duration.ofMinutes(1);
  private static final int SLOWER = 10;

  /** One that begins with short pauses. */
  public PollPace(Duration interval, @Nullable WakeUps wakeUps) {
    this(interval, wakeUps, interval.compareTo(FIRST) < 0 ? interval : FIRST);
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
    Duration most = interval.compareTo(MOST_SELDOM) > 0 ? interval : MOST_SELDOM;
    return slow.compareTo(most) > 0 ? most : slow;
  }
}
