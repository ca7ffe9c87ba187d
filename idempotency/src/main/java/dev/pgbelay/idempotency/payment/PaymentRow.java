package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A payment as it stands in its table.
 *
 * @param held whether a lease on it lasts
 * @param dueIn until the next attempt; zero if that is due
 * @param askedFor since the open provider step was first asked; empty if none is open
 * @param attempts failed ones, and crashes, since the last progress
 * @param finishedFor since it was finished; empty while it is open
 */
@SuppressWarnings("ArrayRecordComponent") // written and read by this module alone, never compared
record PaymentRow(
    IdempotencyKey key,
    OpenPayment.State state,
    int version,
    Fingerprint fingerprint,
    byte[] request,
    Progress progress,
    Optional<Fence> fence,
    boolean held,
    Duration dueIn,
    Optional<Duration> askedFor,
    int attempts,
    byte @Nullable [] response,
    Optional<Duration> finishedFor) {

  boolean isFree() {
    return !held && dueIn.isZero() && isUnderWay();
  }

  boolean isUnderWay() {
    return state == OpenPayment.State.RUNNING || state == OpenPayment.State.UNKNOWN;
  }
}
