package dev.pgbelay.jobqueue.testing;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a {@link ManualWorker} ran. Immutable and safe for several threads.
 *
 * @param attempts how often a handler was called
 * @param fates how many jobs came to what, by the names of the metric {@code
 *     pgbelay.jobqueue.settled}: done, discarded, cancelled, retried, snoozed, handed_back, dead
 * @param refused writes that a fence refused, because the job was somebody else's by then
 * @param failures what handlers threw, in that order
 */
public record Drained(
    int attempts, Map<String, Integer> fates, int refused, List<Throwable> failures) {
  public Drained {
    fates = Map.copyOf(fates);
    failures = List.copyOf(failures);
  }

  /** Jobs that are done. */
  public int done() {
    return count("done");
  }

  /** Jobs that have become dead letters. */
  public int dead() {
    return count("dead");
  }

  /** Attempts that failed and are followed by another. */
  public int retried() {
    return count("retried");
  }

  /** Jobs that their handler gave up. */
  public int discarded() {
    return count("discarded");
  }

  /** Attempts that did not count, because their handler came too early. */
  public int snoozed() {
    return count("snoozed");
  }

  private int count(String fate) {
    return fates.getOrDefault(fate, 0);
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
    Map<String, Integer> sum = new LinkedHashMap<>(fates);
    other.fates.forEach((fate, count) -> sum.merge(fate, count, Integer::sum));
    List<Throwable> thrown = new ArrayList<>(failures);
    thrown.addAll(other.failures);
    return new Drained(attempts + other.attempts, sum, refused + other.refused, thrown);
  }
}
