package dev.pgbelay.jobqueue.control;

import java.time.Instant;
import java.util.Optional;

/**
 * What was said of a queue or a kind. Immutable and safe for several threads.
 *
 * @param scope whether it is of a queue or of a kind
 * @param name of the queue or kind
 * @param pausedSince by the database's clock
 * @param reason of the pause
 * @param limits none of them unless said
 */
public record Setting(
    Scope scope,
    String name,
    Optional<Instant> pausedSince,
    Optional<String> reason,
    Limits limits) {
  /** What a setting is of. */
  public enum Scope {
    QUEUE,
    KIND
  }
}
