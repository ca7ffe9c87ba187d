package dev.pgbelay.jobqueue.testing;

import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A job that waits or runs, as a test sees it. Immutable, and as safe for several threads as its
 * payload is.
 *
 * @param id of the job
 * @param payload decoded
 * @param queue where it stands
 * @param runAt when it falls due; empty if it is due
 * @param priority its head start
 * @param maxAttempts how often it is tried
 * @param headers what travels with it
 * @param running whether a worker has it
 * @param <P> the payload's type
 */
public record EnqueuedJob<P>(
    long id,
    P payload,
    String queue,
    Optional<Instant> runAt,
    Duration priority,
    int maxAttempts,
    Map<String, String> headers,
    boolean running) {
  public EnqueuedJob {
    headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
  }
}
