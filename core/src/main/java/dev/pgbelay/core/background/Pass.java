package dev.pgbelay.core.background;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.util.Optional;

/**
 * What one pass of a {@link BackgroundLoop} did, and so how soon the next one comes.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param work how many things were done; above zero the next pass follows at once
 * @param pauseAtMost a bound for the pause after an idle pass, where the work knows when something
 *     falls due
 */
public record Pass(int work, Optional<Duration> pauseAtMost) {
  private static final Pass IDLE = new Pass(0, Optional.empty());

  public Pass {
    if (work < 0) {
      throw new PgBelayException("work is " + work + ": must be 0 or more");
    }
    if (pauseAtMost.isPresent() && pauseAtMost.get().isNegative()) {
      throw new PgBelayException("pauseAtMost is " + pauseAtMost.get() + ": must not be negative");
    }
  }

  /** So many things were done; 0 is {@link #idle()}. */
  public static Pass worked(int work) {
    return work == 0 ? IDLE : new Pass(work, Optional.empty());
  }

  /** There was nothing to do. */
  public static Pass idle() {
    return IDLE;
  }

  /** There was nothing to do, and something falls due after this long at the latest. */
  public static Pass idle(Duration pauseAtMost) {
    return new Pass(0, Optional.of(pauseAtMost));
  }
}
