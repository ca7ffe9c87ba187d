package dev.pgbelay.jobqueue.events;

import java.util.Optional;

/**
 * What happened to a job in this process. Immutable and safe for several threads.
 *
 * @param type what
 * @param jobId the job
 * @param kind name of its kind
 * @param queue where it was
 * @param attempt which attempt, from 1
 * @param reason of what did not end well; may hold what an exception said
 */
public record JobEvent(
    Type type, long jobId, String kind, String queue, int attempt, Optional<String> reason) {
  /**
   * What happened. Where that is the end of the job, it has the name of the {@link
   * dev.pgbelay.jobqueue.inspect.JobState} in which it ended.
   */
  public enum Type {
    /** Its handler is about to be called. */
    STARTED,
    /** It is done, and that is committed. */
    DONE,
    /** It is finished without success, by the handler's own word. */
    DISCARDED,
    /** It was cancelled while it ran. */
    CANCELLED,
    /** The attempt failed, and another follows. */
    RETRIED,
    /** It comes again, and the attempt does not count. */
    SNOOZED,
    /** It goes to others, and the attempt does not count. */
    HANDED_BACK,
    /** It failed for good, and is a dead letter. */
    DEAD,
    /** What the attempt came to was refused: the job is somebody else's by now. */
    REFUSED
  }
}
