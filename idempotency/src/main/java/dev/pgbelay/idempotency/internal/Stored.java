package dev.pgbelay.idempotency.internal;

import dev.pgbelay.idempotency.Fingerprint;
import java.time.Duration;

/**
 * An answer that is committed.
 *
 * @param left how long it is still kept; zero or less if that is over
 */
@SuppressWarnings("ArrayRecordComponent") // written and read by this module alone, never compared
public record Stored(Fingerprint fingerprint, byte[] response, Duration left) {
  public boolean hasExpired() {
    return left.isZero() || left.isNegative();
  }
}
