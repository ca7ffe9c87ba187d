package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Optional;

/**
 * A payment that this process carries on, as it was when it was claimed.
 *
 * @param attempts failed ones and crashes since the last progress
 * @param isNew whether it is claimed by the transaction that inserts it
 * @param askedFor how long before {@code asOf} the open provider step was first asked; empty if it
 *     was not
 * @param asOf by {@link System#nanoTime}, from before the claim
 */
@SuppressWarnings("ArrayRecordComponent") // written and read by this module alone, never compared
record Claim<Q>(
    IdempotencyKey key,
    Fence fence,
    Fingerprint fingerprint,
    Q request,
    byte[] requestBytes,
    int attempts,
    boolean isNew,
    Optional<Duration> askedFor,
    long asOf) {

  /** Once its row is there; whoever is asked next was not asked before. */
  Claim<Q> later() {
    return new Claim<>(
        key, fence, fingerprint, request, requestBytes, attempts, false, Optional.empty(), asOf);
  }

  /** After progress: failures are counted anew. */
  Claim<Q> progressed() {
    return new Claim<>(
        key, fence, fingerprint, request, requestBytes, 0, false, Optional.empty(), asOf);
  }
}
