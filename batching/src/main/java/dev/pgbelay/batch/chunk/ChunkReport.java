package dev.pgbelay.batch.chunk;

import java.time.Duration;

/**
 * How one run of a {@link ChunkedJob} ended. Counts are those of this run, not of earlier ones.
 *
 * @param outcome why it ended
 * @param rows changed by the work, in chunks known to be committed
 * @param chunks known to be committed
 * @param retried chunks that failed and were run again, those that core retried not counted
 * @param smallestChunk rows of the smallest chunk size used; 0 without a chunk
 * @param largestChunk rows of the largest chunk size used; 0 without a chunk
 * @param elapsed from the claim to the end
 * @param working within chunks
 * @param waited for throttle signals and pauses
 */
public record ChunkReport(
    String job,
    Outcome outcome,
    long rows,
    long chunks,
    long retried,
    int smallestChunk,
    int largestChunk,
    Duration elapsed,
    Duration working,
    Duration waited) {

  /** Why a run ended. */
  public enum Outcome {
    /** The walk reached the end. */
    DONE,
    /** The job had reached its end before; nothing was done. */
    ALREADY_DONE,
    /** Cancelled by {@link JobControl#cancel()}, before or during this run. */
    CANCELLED,
    /** Another runner holds the job; nothing was done. */
    HELD_ELSEWHERE,
    /** The thread was interrupted; the position is kept and the claim given back. */
    INTERRUPTED
  }
}
