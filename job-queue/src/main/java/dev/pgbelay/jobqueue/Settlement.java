package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What is to be written about a claimed job.
 *
 * @param keyed whether the job has a partition key
 * @param delay for what comes back, not before so much time; null puts it back where it was
 * @param reason of a failure
 * @param perhapsDone whether {@code complete(tx)} was called, so that a job that is gone is done
 * @param slots whose slot is free once this is written
 */
record Settlement(
    Subject job,
    Fence fence,
    boolean keyed,
    Fate fate,
    @Nullable Duration delay,
    @Nullable String reason,
    boolean perhapsDone,
    Slots slots) {
  private static final int LONGEST_REASON = 1_000;

  /** The job, for those who are told of it. */
  record Subject(long id, String kind, String queue, int attempt) {
    static Subject of(ClaimedJob job) {
      return new Subject(job.id(), job.kind(), job.queue(), job.attempt());
    }
  }

  /** What becomes of the job. */
  enum Fate {
    DONE("done"),
    DISCARDED("discarded"),
    CANCELLED("cancelled"),
    RETRIED("retried"),
    SNOOZED("snoozed"),
    HANDED_BACK("handed_back"),
    DEAD("dead");

    private final String tag;

    Fate(String tag) {
      this.tag = tag;
    }

    String tag() {
      return tag;
    }
  }

  Settlement {
    if (reason != null) {
      String clean = reason.replace('\0', ' ');
      reason = clean.length() > LONGEST_REASON ? clean.substring(0, LONGEST_REASON) + "…" : clean;
    }
  }

  static Settlement of(ClaimedJob job, Fate fate, Slots slots) {
    return new Settlement(
        Subject.of(job), job.fence(), job.keyed(), fate, null, null, false, slots);
  }

  long id() {
    return job.id();
  }

  Settlement because(@Nullable String text) {
    return new Settlement(job, fence, keyed, fate, delay, text, perhapsDone, slots);
  }

  Settlement after(Duration time) {
    return new Settlement(job, fence, keyed, fate, time, reason, perhapsDone, slots);
  }

  Settlement perhapsDone(boolean called) {
    return new Settlement(job, fence, keyed, fate, delay, reason, called, slots);
  }

  /** The same, with the place of the job counted by somebody else. */
  Settlement of(Slots counting) {
    return new Settlement(job, fence, keyed, fate, delay, reason, perhapsDone, counting);
  }

  /** Who counts the jobs that are claimed and not yet settled. */
  interface Slots {
    String queue();

    /** So many are settled, or their claim is lost. */
    void settled(int jobs);

    /** One that had a partition key has left it, perhaps to the next. */
    default void handedOn() {}
  }
}
