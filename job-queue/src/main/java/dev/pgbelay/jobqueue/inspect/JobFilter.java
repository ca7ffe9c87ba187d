package dev.pgbelay.jobqueue.inspect;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.jobqueue.JobKind;
import java.util.Optional;

/**
 * Which jobs. Immutable and safe for several threads.
 *
 * @param queue only those of a queue; of any unless said
 * @param kind only those of a kind, by its name; of any unless said
 * @param state only those at a state; unless said, any of those in which a job is not finished, or
 *     in a list of finished jobs any of theirs
 * @param tag only those that have a tag
 */
public record JobFilter(
    Optional<String> queue, Optional<String> kind, Optional<JobState> state, Optional<String> tag) {
  private static final JobFilter ALL =
      new JobFilter(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

  /** Everything. */
  public static JobFilter all() {
    return ALL;
  }

  public JobFilter inQueue(String name) {
    return new JobFilter(Optional.of(name), kind, state, tag);
  }

  public JobFilter ofKind(JobKind<?> wanted) {
    return new JobFilter(queue, Optional.of(wanted.name()), state, tag);
  }

  public JobFilter in(JobState wanted) {
    return new JobFilter(queue, kind, Optional.of(wanted), tag);
  }

  public JobFilter tagged(String wanted) {
    return new JobFilter(queue, kind, state, Optional.of(wanted));
  }

  void requireUnfinishedOrDead() {
    if (state.isPresent() && state.get().isFinished()) {
      throw new PgBelayException(
          "state is " + state.get() + ": finished jobs are listed by listFinished");
    }
  }

  void requireFinished() {
    if (state.isPresent() && !state.get().isFinished()) {
      throw new PgBelayException(
          "state is "
              + state.get()
              + ": a list of finished jobs has done, discarded and cancelled ones; others are in"
              + " list");
    }
  }
}
