package dev.pgbelay.jobqueue.health;

import java.time.Duration;
import java.util.Optional;

/**
 * Jobs of a queue that are due and may not begin, whatever workers there are; each number counted
 * up to the monitor's limit. Immutable and safe for several threads.
 *
 * @param forKey those that wait for another job of their partition key; not among {@link
 *     QueueFigures#due}
 * @param longestForKey for how long the one of them that waits longest has been due, of as many as
 *     were counted
 * @param forPause those of a queue or a kind that is paused, among those that are due
 * @param forLimit those of a queue or a kind that now runs as many as it may, or has used up its
 *     rate, among those that are due
 * @param forPermit those of a kind that the permits of all live workers refuse which run it from
 *     this queue, as they said at their last heartbeat; among those that are due
 */
public record Waiting(
    int forKey, Optional<Duration> longestForKey, int forPause, int forLimit, int forPermit) {
  static final Waiting FOR_NOTHING = new Waiting(0, Optional.empty(), 0, 0, 0);

  Waiting plus(Waiting other) {
    return new Waiting(
        forKey + other.forKey,
        longer(longestForKey, other.longestForKey),
        forPause + other.forPause,
        forLimit + other.forLimit,
        forPermit + other.forPermit);
  }

  private static Optional<Duration> longer(Optional<Duration> one, Optional<Duration> other) {
    return one.isEmpty() || (other.isPresent() && other.get().compareTo(one.get()) > 0)
        ? other
        : one;
  }
}
