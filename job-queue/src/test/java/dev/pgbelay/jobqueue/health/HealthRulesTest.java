package dev.pgbelay.jobqueue.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.core.horizon.HorizonPin;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What is made of figures. */
class HealthRulesTest {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  private final HealthRules rules =
      new HealthRules(
          Map.of("slow", Duration.ofHours(2)),
          Duration.ofMinutes(2),
          Duration.ofMinutes(15),
          Map.of("invoice", Duration.ofDays(1)));

  private static QueueFigures queue(
      String name, int due, @Nullable Duration oldest, @Nullable Duration sinceFinished) {
    return new QueueFigures(
        name,
        due,
        0,
        Optional.ofNullable(oldest),
        Optional.ofNullable(sinceFinished),
        Optional.ofNullable(sinceFinished),
        Optional.empty(),
        Waiting.FOR_NOTHING,
        1);
  }

  /** Nine jobs, the oldest due for three minutes, of which none was ever finished. */
  private static QueueFigures overdue(Optional<Duration> paused, Waiting waiting, int workers) {
    return new QueueFigures(
        "q",
        9,
        0,
        Optional.of(MINUTE.multipliedBy(3)),
        Optional.empty(),
        Optional.empty(),
        paused,
        waiting,
        workers);
  }

  private static QueueSnapshot snapshot(int workers, QueueFigures... queues) {
    Map<String, QueueFigures> byName = new java.util.HashMap<>();
    for (QueueFigures queue : queues) {
      byName.put(queue.queue(), queue);
    }
    return new QueueSnapshot(byName, workers, 0, 0, List.of(), 0, Map.of(), List.of());
  }

  private Status status(QueueSnapshot snapshot) {
    return rules.judge(snapshot).status();
  }

  @Test
  void idleQueue_isUpHoweverLongAgoAJobWasFinished() {
    assertThat(status(snapshot(1, queue("q", 0, null, Duration.ofDays(9))))).isEqualTo(Status.UP);
    assertThat(status(snapshot(1))).isEqualTo(Status.UP);
  }

  @Test
  void dueJobsOfWhichNoneIsFinished_areDown() {
    assertThat(status(snapshot(1, queue("q", 9, MINUTE, Duration.ofDays(9)))))
        .as("not for long enough")
        .isEqualTo(Status.UP);
    Health down =
        rules.judge(snapshot(0, queue("q", 9, MINUTE.multipliedBy(3), Duration.ofDays(9))));
    assertThat(down.status()).isEqualTo(Status.DOWN);
    assertThat(down.reasons())
        .extracting(Reason::text)
        .containsExactly(
            "queue 'q': 9 jobs are due, the oldest for PT3M, and none was finished for PT216H;"
                + " no worker is alive, the last claim was PT216H ago");
    assertThat(rules.judge(snapshot(2, queue("q", 9, MINUTE.multipliedBy(3), null))).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "queue 'q': 9 jobs are due, the oldest for PT3M, and none was ever finished; 2 workers"
                + " are alive");
    assertThat(status(snapshot(1, queue("slow", 9, Duration.ofMinutes(100), Duration.ofDays(9)))))
        .as("its jobs take long, and its standstill is long; but a job is late")
        .isEqualTo(Status.DEGRADED);
  }

  @Test
  void pausedQueueWithDueJobs_isDownAndTheReasonNamesThePause() {
    QueueFigures paused = overdue(Optional.of(MINUTE.multipliedBy(4)), Waiting.FOR_NOTHING, 1);
    assertThat(rules.judge(snapshot(1, paused)).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "queue 'q': 9 jobs are due, the oldest for PT3M, and none was ever finished; one"
                + " worker is alive; it was paused PT4M ago");
  }

  @Test
  void queueThatNoLiveWorkerRuns_isDownAndTheReasonSaysSo() {
    QueueFigures forgotten = overdue(Optional.empty(), Waiting.FOR_NOTHING, 0);
    assertThat(rules.judge(snapshot(2, forgotten)).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "queue 'q': 9 jobs are due, the oldest for PT3M, and none was ever finished; 2 workers"
                + " are alive, but none that runs this queue");
  }

  @Test
  void queueWhosePermitsRefuse_isDownAndTheReasonSaysSo() {
    QueueFigures refused = overdue(Optional.empty(), new Waiting(0, Optional.empty(), 0, 0, 7), 1);
    assertThat(rules.judge(snapshot(1, refused)).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "queue 'q': 9 jobs are due, the oldest for PT3M, and none was ever finished; one"
                + " worker is alive; permits refuse 7 of them just now");
  }

  @Test
  void lateJobs_areDegradedWhileOthersAreFinished() {
    assertThat(status(snapshot(1, queue("q", 9, Duration.ofMinutes(14), MINUTE))))
        .isEqualTo(Status.UP);
    assertThat(status(snapshot(1, queue("q", 9, Duration.ofMinutes(16), MINUTE))))
        .isEqualTo(Status.DEGRADED);
  }

  @Test
  void expectedKindWithoutSuccess_isDown() {
    QueueSnapshot late =
        new QueueSnapshot(
            Map.of(), 1, 0, 0, List.of(), 0, Map.of("invoice", Duration.ofDays(90)), List.of());
    assertThat(rules.judge(late).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "kind 'invoice' has not succeeded for PT2160H, and is expected to every PT24H");
    assertThat(rules.judge(late).status()).isEqualTo(Status.DOWN);
  }

  @Test
  void worstReason_comesFirstAndDecides() {
    QueueSnapshot seen =
        new QueueSnapshot(
            Map.of(),
            1,
            0,
            2,
            List.of("report"),
            0,
            Map.of(),
            List.of(
                new HorizonPin(
                    HorizonPin.Holder.REPLICATION_SLOT, "old_slot", 42, Duration.ofHours(3))));
    Health health = rules.judge(seen);
    assertThat(health.status()).isEqualTo(Status.DOWN);
    assertThat(health.reasons())
        .extracting(Reason::text)
        .containsExactly(
            "2 schedules are due for more than a minute and were not fired: does a ScheduleRunner"
                + " run?",
            "schedule 'report' cannot be fired: its row says why",
            "dead rows are not cleaned up because of replication slot old_slot for PT3H, 42"
                + " transactions back");
  }

  @Test
  void jobsClaimedByWorkersOfWhichNoneIsHeardOf_areDown() {
    QueueFigures claimed =
        new QueueFigures(
            "q",
            0,
            3,
            Optional.empty(),
            Optional.of(MINUTE),
            Optional.of(MINUTE),
            Optional.empty(),
            Waiting.FOR_NOTHING,
            1);
    assertThat(status(snapshot(1, claimed))).isEqualTo(Status.UP);
    assertThat(rules.judge(snapshot(0, claimed)).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "queue 'q': 3 jobs are claimed by workers that are not heard of; no worker is alive");
  }
}
