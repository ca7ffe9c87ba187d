package dev.pgbelay.jobqueue;

import java.time.Instant;

/**
 * An attempt that failed, as it stands in the record of its job. Immutable and safe for several
 * threads.
 *
 * @param attempt its number, from 1
 * @param at when that was written, by the database's clock
 * @param node the worker's {@link JobWorkerBuilder#node}
 * @param error what the handler threw, with its message, or the rule by which it failed
 */
public record FailedAttempt(int attempt, Instant at, String node, String error) {
  @Override
  public String toString() {
    return "attempt " + attempt + ", " + at + ", " + node + ": " + error;
  }
}
