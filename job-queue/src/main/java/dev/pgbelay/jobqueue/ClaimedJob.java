package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A job as a claim has taken it; never compared.
 *
 * @param keyed whether it has a partition key
 * @param payload null if it is large and was left in the database
 */
@SuppressWarnings("ArrayRecordComponent")
record ClaimedJob(
    long id,
    long place,
    String queue,
    String kind,
    int attempt,
    int maxAttempts,
    boolean keyed,
    Optional<Duration> deadline,
    List<String> tags,
    Optional<FailedAttempt> lastFailure,
    Map<String, String> headers,
    byte @Nullable [] payload,
    Fence fence) {

  @Override
  public String toString() {
    return "job " + id + " of kind '" + kind + "', attempt " + attempt;
  }
}
