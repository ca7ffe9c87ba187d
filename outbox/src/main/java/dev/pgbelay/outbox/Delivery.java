package dev.pgbelay.outbox;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/**
 * What became of one message.
 *
 * @param outcome which of the four
 * @param reason why not, a short text that is stored and logged: no payloads, no secrets; empty if
 *     it was delivered
 * @param retryAfter not sooner, as the other side asked; only with {@link Outcome#FAILED}. What is
 *     longer than 30 days is taken for 30 days, what is negative for none
 */
public record Delivery(Outcome outcome, String reason, Optional<Duration> retryAfter) {
  private static final Duration LONGEST_PAUSE = Duration.ofDays(30);
  private static final Delivery DELIVERED = new Delivery(Outcome.DELIVERED, "", Optional.empty());

  /** What the other side asks for is not always what can be stored. */
  public Delivery {
    Objects.requireNonNull(outcome, "the outcome of a delivery is null");
    Objects.requireNonNull(reason, "the reason of a delivery is null: make it empty");
    retryAfter =
        retryAfter
            .filter(asked -> !asked.isNegative())
            .map(asked -> asked.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : asked);
  }

  /** What became of a message. */
  public enum Outcome {
    /** The other side has it. */
    DELIVERED,
    /** It may succeed later: the destination's retries decide. */
    FAILED,
    /** It will never succeed as it is: the destination's {@link PoisonPolicy} decides at once. */
    REJECTED,
    /**
     * It is not known to be delivered, through no fault of its own: another one that stood before
     * it was not. No attempt is counted, and it is given to the publisher again as soon as its key
     * may go on. It may have arrived nevertheless; then it is a repeat.
     */
    HELD_BACK
  }

  /** The other side has it. */
  public static Delivery delivered() {
    return DELIVERED;
  }

  /** It may succeed later. */
  public static Delivery failed(String reason) {
    return new Delivery(Outcome.FAILED, reason, Optional.empty());
  }

  /** It may succeed later, but not before. */
  public static Delivery failed(String reason, Duration retryAfter) {
    return new Delivery(Outcome.FAILED, reason, Optional.of(retryAfter));
  }

  /**
   * It was not sent, or is not known to have arrived, because of another one.
   *
   * @param reason whose fault it is
   */
  public static Delivery heldBack(String reason) {
    return new Delivery(Outcome.HELD_BACK, reason, Optional.empty());
  }

  /** It will never succeed as it is. */
  public static Delivery rejected(String reason) {
    return new Delivery(Outcome.REJECTED, reason, Optional.empty());
  }
}
