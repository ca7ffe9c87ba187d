package dev.pgbelay.lock.lease;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * A lease as the database has it.
 *
 * @param fencingToken of the last grant
 * @param holder what the holder called itself
 * @param acquiredAt when it was last granted, by the database's clock
 * @param renewedAt when it was last renewed
 * @param remaining how much longer it lasts without another renewal, while it is held
 */
public record LeaseInfo(
    String name,
    State state,
    long fencingToken,
    Optional<String> holder,
    Optional<Instant> acquiredAt,
    Optional<Instant> renewedAt,
    Optional<Duration> remaining) {

  /** Whether somebody has it. */
  public enum State {
    /** Somebody does. */
    HELD,
    /** Its time is over; whoever asks next gets it, and until then its holder may renew it. */
    EXPIRED,
    /** It was given back. */
    FREE
  }
}
