package dev.pgbelay.jobqueue.testing;

import dev.pgbelay.jobqueue.events.JobEvent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a {@link ManualWorker} ran. Immutable and safe for several threads.
 *
 * @param attempts how often a handler was called
 * @param ends how many attempts came to what
 * @param refused writes that a fence refused, because the job was somebody else's by then
 * @param failures what handlers threw, in that order
 */
public record Drained(
    int attempts, Map<JobEvent.Type, Integer> ends, int refused, List<Throwable> failures) {
  public Drained {
    ends = Map.copyOf(ends);
    failures = List.copyOf(failures);
  }

  /** Jobs that are done. */
  public int done() {
    return count(JobEvent.Type.DONE);
  }

  /** Jobs that have become dead letters. */
  public int dead() {
    return count(JobEvent.Type.DEAD);
  }

  /** Attempts that failed and are followed by another. */
  public int retried() {
    return count(JobEvent.Type.RETRIED);
  }

  /** Jobs that their handler gave up. */
  public int discarded() {
    return count(JobEvent.Type.DISCARDED);
  }

  /** Attempts that did not count, because their handler came too early. */
  public int snoozed() {
    return count(JobEvent.Type.SNOOZED);
  }

  private int count(JobEvent.Type end) {
    return ends.getOrDefault(end, 0);
  }

  /**
   * Passes if so many jobs are done and no handler threw.
   *
   * @throws AssertionError otherwise, with what handlers threw suppressed in it
   */
  public Drained assertDone(int jobs) {
    if (done() != jobs || !failures.isEmpty()) {
      AssertionError error =
          new AssertionError(
              "expected " + jobs + " jobs done and no handler that throws, but was " + this);
      failures.forEach(error::addSuppressed);
      throw error;
    }
    return this;
  }

  Drained plus(Drained other) {
    Map<JobEvent.Type, Integer> sum = new LinkedHashMap<>(ends);
    other.ends.forEach((end, count) -> sum.merge(end, count, Integer::sum));
    List<Throwable> thrown = new ArrayList<>(failures);
    thrown.addAll(other.failures);
    return new Drained(attempts + other.attempts, sum, refused + other.refused, thrown);
  }
}
