package dev.pgbelay.core.permit;

import java.time.Duration;
import java.util.Optional;

/**
 * Says how many rows, such as jobs of a kind or messages to a destination, may be begun in this
 * process just now. What it refuses is not claimed: it keeps its place, and no attempt is counted.
 *
 * <p>Each place that was reserved is either released or begun; each attempt that was begun ends.
 * Called by several threads.
 */
public interface ClaimPermit {
  /**
   * Before a claim: sets aside places for up to {@code wanted} rows. Must not block.
   *
   * @return how many were set aside, none while everything is refused
   */
  int reserve(int wanted);

  /**
   * Before a claim, once all that was {@code wanted} for free threads is set aside: places for rows
   * that are fetched ahead and wait in this process until a thread is free, a tenth of a second as
   * a rule and five seconds at most. {@link #begin} is asked when their turn comes. None unless
   * overridden: then rows are claimed for free threads only, which is slower and right for whatever
   * must not be held without being used, such as places in a bulkhead.
   *
   * @return how many were set aside
   */
  default int reserveAhead(int wanted) {
    return 0;
  }

  /**
   * So many places are not needed: there were fewer rows, or they went back without being begun.
   */
  void release(int unused);

  /**
   * An attempt is about to be begun in one of the places.
   *
   * @return false if it may not after all: its row goes back, the attempt does not count, and the
   *     place is free
   */
  default boolean begin() {
    return true;
  }

  /**
   * An attempt that was begun has ended, and its place is free.
   *
   * @param failure what the work threw
   */
  void end(Duration took, Optional<Throwable> failure);
}
