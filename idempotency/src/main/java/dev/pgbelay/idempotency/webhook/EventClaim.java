package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.internal.Fence;
import java.time.Duration;

/**
 * An event that this worker handles, as it was when it was claimed.
 *
 * @param attempts this one included
 * @param notYet how often its handler said so
 * @param triedFor since it was received, or taken out of the park
 * @param crashed whether its last holder did not give it back
 */
record EventClaim(
    Fence fence, EventRow row, int attempts, int notYet, Duration triedFor, boolean crashed) {
  String id() {
    return row.id();
  }
}
