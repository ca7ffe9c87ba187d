package dev.pgbelay.lock.witness;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** For how long one transaction has held row locks. Not safe for several threads. */
final class HoldTime {
  private final @Nullable Duration limit;
  private boolean holding;
  private boolean told;
  private long since;

  /**
   * @param limit null where nobody asks
   */
  HoldTime(@Nullable Duration limit) {
    this.limit = limit;
  }

  /** What is held now; the time counts from the first row that was not given back since. */
  void holds(boolean rows) {
    if (rows && !holding) {
      since = System.nanoTime();
    }
    holding = rows;
  }

  boolean isHolding() {
    return holding;
  }

  Duration soFar() {
    return Duration.ofNanos(System.nanoTime() - since);
  }

  boolean isTooLong() {
    return holding && limit != null && soFar().compareTo(limit) > 0;
  }

  /** Once for each transaction. */
  boolean isTooLongForTheFirstTime() {
    boolean first = !told && isTooLong();
    told |= first;
    return first;
  }

  void end() {
    holding = false;
    told = false;
  }
}
