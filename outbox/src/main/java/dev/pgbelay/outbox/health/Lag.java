package dev.pgbelay.outbox.health;

import java.time.Duration;
import java.util.Optional;

/**
 * What waits to be delivered, of a destination or of one of its topics. Immutable and safe for
 * several threads.
 *
 * @param messages that could be delivered now, without replays; together with them counted up to
 *     the monitor's limit
 * @param oldest since the oldest of them was appended, of as many as were looked at; a redriven
 *     dead letter counts from its first append
 * @param replays messages that were delivered before and are delivered once more
 */
public record Lag(int messages, Optional<Duration> oldest, int replays) {
  static final Lag NONE = new Lag(0, Optional.empty(), 0);
}
