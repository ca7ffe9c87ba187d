package dev.pgbelay.idempotency.webhook;

import java.time.Duration;
import java.util.Optional;

/**
 * How an event stands, without what it says.
 *
 * @param id the provider's
 * @param state where it stands
 * @param age since it was received
 * @param attempts since it last went well
 * @param notYet how often its handler said so
 * @param reason of the last attempt that did not process it, or of the decision
 */
public record StoredEvent(
    String id, State state, Duration age, int attempts, int notYet, Optional<String> reason) {

  /** Where an event stands. */
  public enum State {
    /** Waits for its first attempt or the next one. */
    PENDING,
    /** Waits for a decision: it failed too often, or was "not yet" for too long. */
    PARKED,
    /** Its handler's transaction is committed. */
    PROCESSED,
    /** Somebody decided that it is not to be processed. */
    DISCARDED
  }
}
