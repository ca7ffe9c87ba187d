package dev.pgbelay.core.schema;

import java.time.Duration;

/**
 * What became of an index asked for.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param outcome whether this call built it
 * @param index the schema and name of the index, quoted
 * @param attempts 1 if nothing was in the way
 * @param removedInvalid how many invalid left-overs of earlier or failed attempts this call dropped
 * @param took from the first attempt on, pauses included
 */
public record IndexReport(
    Outcome outcome, String index, int attempts, int removedInvalid, Duration took) {

  /** Either way a valid index of the asked definition stands. */
  public enum Outcome {
    BUILT,
    ALREADY_THERE
  }
}
