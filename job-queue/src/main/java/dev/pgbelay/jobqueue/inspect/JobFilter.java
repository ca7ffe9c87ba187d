package dev.pgbelay.jobqueue.inspect;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.inspect.JobInfo.State;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;

/**
 * Which of the jobs that are not finished. Immutable and safe for several threads.
 *
 * @param queue only those of a queue; of any unless said
 * @param kind only those of a kind, by its name; of any unless said
 * @param state one of those in which a job is not finished; any of them unless said
 */
public record JobFilter(Optional<String> queue, Optional<String> kind, Optional<State> state) {
  private static final Set<State> UNFINISHED =
      EnumSet.complementOf(EnumSet.of(State.DONE, State.DISCARDED, State.CANCELLED, State.DEAD));
  private static final JobFilter ALL =
      new JobFilter(Optional.empty(), Optional.empty(), Optional.empty());

  /**
   * @throws PgBelayException if the state is one of finished jobs or of dead letters
   */
  public JobFilter {
    if (state.isPresent() && !UNFINISHED.contains(state.get())) {
      throw new PgBelayException(
          "state is "
              + state.get()
              + ": jobs are listed that are not finished; a finished one is found by"
              + " its id, dead ones are listed by DeadLetters");
    }
  }

  /** Everything that is not finished. */
  public static JobFilter all() {
    return ALL;
  }

  public JobFilter inQueue(String name) {
    return new JobFilter(Optional.of(name), kind, state);
  }

  public JobFilter ofKind(JobKind<?> wanted) {
    return new JobFilter(queue, Optional.of(wanted.name()), state);
  }

  public JobFilter in(State wanted) {
    return new JobFilter(queue, kind, Optional.of(wanted));
  }
}
