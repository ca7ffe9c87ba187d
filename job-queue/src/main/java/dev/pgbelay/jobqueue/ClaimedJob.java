package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import java.util.Map;

/** A job as a claim has taken it; never compared. */
@SuppressWarnings("ArrayRecordComponent")
record ClaimedJob(
    long id,
    long place,
    String queue,
    String kind,
    int attempt,
    int maxAttempts,
    Map<String, String> headers,
    byte[] payload,
    Fence fence) {

  @Override
  public String toString() {
    return "job " + id + " of kind '" + kind + "', attempt " + attempt;
  }
}
