package dev.pgbelay.idempotency.payment;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What is to be written about a payment.
 *
 * @param lease how long the claim lasts from now; null gives it back
 * @param pause until the next attempt
 * @param reason of the failure; null without one
 * @param response present exactly with COMPLETED
 */
@SuppressWarnings("ArrayRecordComponent") // written and read by this module alone, never compared
record PaymentWrite(
    int version,
    Progress progress,
    OpenPayment.State state,
    int attempts,
    @Nullable String reason,
    Duration pause,
    @Nullable Duration lease,
    byte @Nullable [] response) {

  static PaymentWrite goingOn(int version, Progress progress, Duration lease) {
    return new PaymentWrite(
        version, progress, OpenPayment.State.RUNNING, 0, null, Duration.ZERO, lease, null);
  }

  static PaymentWrite completed(int version, Progress progress, byte[] response) {
    return new PaymentWrite(
        version, progress, OpenPayment.State.COMPLETED, 0, null, Duration.ZERO, null, response);
  }

  /** Given back, for a later attempt, or to stand still. */
  static PaymentWrite left(
      int version,
      Progress progress,
      OpenPayment.State state,
      int attempts,
      String reason,
      Duration pause) {
    return new PaymentWrite(
        version, progress, state, attempts, ProviderReply.cut(reason), pause, null, null);
  }
}
