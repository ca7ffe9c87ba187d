package dev.pgbelay.idempotency;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.util.Optional;

/**
 * What a call under a key got.
 *
 * <p>Immutable, as far as the response is, and then safe for several threads.
 *
 * @param outcome what became of the call
 * @param response present exactly if it was {@link Outcome#EXECUTED} or {@link Outcome#REPLAYED}
 * @param retryAfter when to ask again, where that helps
 * @param <R> the response
 */
public record Answer<R>(Outcome outcome, Optional<R> response, Optional<Duration> retryAfter) {

  /**
   * Checks the parts.
   *
   * @throws PgBelayException if outcome and response do not fit
   */
  public Answer {
    boolean answered = outcome == Outcome.EXECUTED || outcome == Outcome.REPLAYED;
    if (answered != response.isPresent()) {
      throw new PgBelayException(
          outcome + (answered ? " goes with a response" : " goes without a response"));
    }
  }

  public static <R> Answer<R> executed(R response) {
    return new Answer<>(Outcome.EXECUTED, Optional.of(response), Optional.empty());
  }

  public static <R> Answer<R> replayed(R response) {
    return new Answer<>(Outcome.REPLAYED, Optional.of(response), Optional.empty());
  }

  /** Not finished; ask again after that time. */
  public static <R> Answer<R> inProgress(Duration retryAfter) {
    return new Answer<>(Outcome.IN_PROGRESS, Optional.empty(), Optional.of(retryAfter));
  }

  /** Of one of the outcomes that have no response. */
  public static <R> Answer<R> without(Outcome outcome) {
    return new Answer<>(outcome, Optional.empty(), Optional.empty());
  }

  /** Without the response, which may hold what nobody should read in a log. */
  @Override
  public String toString() {
    return "Answer[" + outcome + "]";
  }
}
