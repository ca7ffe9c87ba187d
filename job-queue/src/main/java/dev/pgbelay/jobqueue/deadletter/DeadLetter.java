package dev.pgbelay.jobqueue.deadletter;

import dev.pgbelay.jobqueue.FailedAttempt;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * A job that failed for good. Immutable and safe for several threads. Its payload is left in the
 * database; {@link DeadLetters#payload} reads it.
 *
 * @param id the job's id, which it keeps when it is run again
 * @param kind name of the kind
 * @param queue where it was, and where it comes back to
 * @param attempts how often it was tried
 * @param reason why it was given up: the last failure, a rule of the retry policy, a payload that
 *     could not be read, a worker that died
 * @param failures of its last attempts, at most eight, oldest first
 * @param headers what travelled with it
 * @param enqueuedAt when it was added
 * @param diedAt when it was given up, by the database's clock
 */
public record DeadLetter(
    long id,
    String kind,
    String queue,
    int attempts,
    String reason,
    List<FailedAttempt> failures,
    Map<String, String> headers,
    Instant enqueuedAt,
    Instant diedAt) {

  public DeadLetter {
    failures = List.copyOf(failures);
    headers = Map.copyOf(headers);
  }
}
