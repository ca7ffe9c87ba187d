package dev.pgbelay.jobqueue.control;

import dev.pgbelay.core.internal.OptionRange;
import java.util.Optional;

/**
 * How much of a queue or a kind may be done, by all workers together. Immutable.
 *
 * @param running so many jobs are claimed at once at most, 1 to 10,000
 * @param perKey so many of each partition key, 1 to 100; 1 unless said. Of queues only
 * @param rate so many in a time
 */
public record Limits(Optional<Integer> running, Optional<Integer> perKey, Optional<Rate> rate) {
  private static final Limits NONE =
      new Limits(Optional.empty(), Optional.empty(), Optional.empty());

  /**
   * @throws dev.pgbelay.core.PgBelayException naming what is out of its range
   */
  public Limits {
    running.ifPresent(count -> OptionRange.require("running", count, 1, 10_000));
    perKey.ifPresent(count -> OptionRange.require("perKey", count, 1, 100));
  }

  /** No limit; partition keys are serial. */
  public static Limits none() {
    return NONE;
  }

  /** These limits with another one on what is claimed at once. */
  public Limits withRunning(int most) {
    return new Limits(Optional.of(most), perKey, rate);
  }

  /**
   * These limits with another one on what is claimed at once of each partition key. With more than
   * one there is no order within a key, and a job that waits for its next attempt leaves its place.
   */
  public Limits withPerKey(int most) {
    return new Limits(running, Optional.of(most), rate);
  }

  /** These limits with another rate. */
  public Limits withRate(Rate most) {
    return new Limits(running, perKey, Optional.of(most));
  }
}
