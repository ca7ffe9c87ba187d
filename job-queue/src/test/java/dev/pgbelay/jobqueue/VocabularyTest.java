package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.events.JobEvent;
import dev.pgbelay.jobqueue.inspect.JobState;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What became of a job is called the same, whoever says it. */
class VocabularyTest {
  private static final Set<JobState> ENDS =
      EnumSet.of(JobState.DONE, JobState.DISCARDED, JobState.CANCELLED, JobState.DEAD);

  private static List<String> names(Enum<?>... words) {
    return Arrays.stream(words).map(Enum::name).toList();
  }

  @Test
  void stateInWhichAJobEnds_isNamedAsTheEventAndTheFate() {
    assertThat(names(JobEvent.Type.values())).containsAll(names(ENDS.toArray(new JobState[0])));
    assertThat(names(Fate.values())).containsAll(names(ENDS.toArray(new JobState[0])));
    for (JobState state : JobState.values()) {
      assertThat(state.isFinished())
          .as("%s", state)
          .isEqualTo(ENDS.contains(state) && state != JobState.DEAD);
    }
  }

  @Test
  void eventOfAnAttempt_isNamedAsItsFate() {
    assertThat(names(JobEvent.Type.values()))
        .containsExactlyInAnyOrder(
            "STARTED",
            "DONE",
            "DISCARDED",
            "CANCELLED",
            "RETRIED",
            "SNOOZED",
            "HANDED_BACK",
            "DEAD",
            "REFUSED")
        .containsAll(names(Fate.values()));
  }
}
