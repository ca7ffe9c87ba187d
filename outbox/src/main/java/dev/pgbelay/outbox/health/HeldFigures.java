package dev.pgbelay.outbox.health;

import java.time.Duration;
import java.util.Optional;

/**
 * Keys of a destination whose first message could not be delivered; each number counted up to the
 * monitor's limit, each time of as many as were counted. Immutable and safe for several threads.
 *
 * @param retriedKeys those that are tried again by themselves, be it for ever
 * @param parkedKeys those that wait for somebody
 * @param longestRetried since the one was held that is tried for longest
 * @param longestParked since the one was held that is parked for longest
 * @param mostAttempts of the first message of a key that is tried again
 * @param messages of all these keys, the ones that failed among them
 * @param oldestMessage since the oldest of them was appended
 */
public record HeldFigures(
    int retriedKeys,
    int parkedKeys,
    Optional<Duration> longestRetried,
    Optional<Duration> longestParked,
    int mostAttempts,
    int messages,
    Optional<Duration> oldestMessage) {
  static final HeldFigures NONE =
      new HeldFigures(0, 0, Optional.empty(), Optional.empty(), 0, 0, Optional.empty());
}
