package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Optional;

/**
 * A payment that somebody should look at, as it was then.
 *
 * @param key its name
 * @param state {@link State#COMPLETED} only of those that are {@link Payments#contradicted}
 * @param asked the provider step that was asked and has no result
 * @param age since the payment began
 * @param unknownFor since it is not known what a provider did
 * @param attempts failed ones since its last progress
 * @param reason of the last failure; or how it is contradicted
 */
public record OpenPayment(
    IdempotencyKey key,
    State state,
    Optional<String> asked,
    Duration age,
    Optional<Duration> unknownFor,
    int attempts,
    Optional<String> reason) {

  /** Where a payment stands. The guide has the diagram. */
  public enum State {
    /** Somebody is at it, or it waits for its next attempt. */
    RUNNING,
    /** A provider was asked, and it is not known whether it acted. */
    UNKNOWN,
    /** It stands still, with a reason, until somebody decides. */
    PARKED,
    /** It has its answer. */
    COMPLETED
  }
}
