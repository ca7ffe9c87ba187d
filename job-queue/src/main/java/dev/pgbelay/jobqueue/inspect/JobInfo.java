package dev.pgbelay.jobqueue.inspect;

import dev.pgbelay.jobqueue.FailedAttempt;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A job as it stands, without its payload. Immutable and safe for several threads.
 *
 * @param id of the job
 * @param kind name of its kind
 * @param queue where it is, or was
 * @param state what it is at
 * @param attempt how many attempts have begun and count
 * @param maxAttempts how many there may be; not kept of finished jobs
 * @param enqueuedAt when it was added; not kept of finished jobs
 * @param runAt when it falls due, if it is scheduled
 * @param endedAt when it was finished, or became a dead letter
 * @param reason of what ended without success
 * @param failures of its last attempts, at most eight, oldest first
 * @param headers what travels with it; not kept of finished jobs
 * @param tags by which it is found
 */
public record JobInfo(
    long id,
    String kind,
    String queue,
    JobState state,
    int attempt,
    OptionalInt maxAttempts,
    Optional<Instant> enqueuedAt,
    Optional<Instant> runAt,
    Optional<Instant> endedAt,
    Optional<String> reason,
    List<FailedAttempt> failures,
    Map<String, String> headers,
    List<String> tags) {
  public JobInfo {
    failures = List.copyOf(failures);
    headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
    tags = List.copyOf(tags);
  }
}
