package dev.pgbelay.jobqueue.health;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.core.horizon.HorizonPin;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What is made of the figures.
 *
 * @param standstill by queue: so long jobs may be due without one being finished
 * @param standstillOfOthers the same for queues that are not named
 * @param late so long a job may be due while others are finished
 * @param expected so long a kind may go without success
 */
record HealthRules(
    Map<String, Duration> standstill,
    Duration standstillOfOthers,
    Duration late,
    Map<String, Duration> expected) {
  HealthRules {
    standstill = Map.copyOf(standstill);
    expected = new LinkedHashMap<>(expected);
  }

  Health judge(QueueSnapshot snapshot) {
    List<Reason> reasons = new ArrayList<>();
    snapshot.queues().values().stream()
        .sorted((a, b) -> a.queue().compareTo(b.queue()))
        .forEach(queue -> judge(queue, snapshot.workers(), reasons));
    expected.forEach(
        (kind, period) -> {
          Duration since = snapshot.sinceSuccess().getOrDefault(kind, Duration.ZERO);
          if (since.compareTo(period) > 0) {
            reasons.add(
                new Reason(
                    Status.DOWN,
                    "kind '"
                        + kind
                        + "' has not succeeded for "
                        + seconds(since)
                        + ", and is expected to every "
                        + period));
          }
        });
    if (snapshot.overdueSchedules() > 0) {
      reasons.add(
          new Reason(
              Status.DOWN,
              snapshot.overdueSchedules()
                  + " schedules are due for more than a minute and were not fired: does a"
                  + " ScheduleRunner run?"));
    }
    for (String name : snapshot.failingSchedules()) {
      reasons.add(
          new Reason(Status.DEGRADED, "schedule '" + name + "' cannot be fired: its row says why"));
    }
    for (HorizonPin pin : snapshot.pins()) {
      reasons.add(new Reason(Status.DEGRADED, "dead rows are not cleaned up because of " + pin));
    }
    return Health.of(reasons);
  }

  private void judge(QueueFigures queue, int workers, List<Reason> reasons) {
    queue
        .waiting()
        .longestForKey()
        .filter(longest -> longest.compareTo(late) > 0)
        .ifPresent(
            longest ->
                reasons.add(
                    new Reason(
                        Status.DEGRADED,
                        "queue '"
                            + queue.queue()
                            + "': "
                            + queue.waiting().forKey()
                            + " jobs wait for their partition key, the longest for "
                            + seconds(longest)
                            + ": does the one in front of them fail, or hang?")));
    Optional<Duration> oldest = queue.oldestDue();
    if (oldest.isEmpty()) {
      if (queue.running() > 0 && workers == 0) {
        reasons.add(
            new Reason(
                Status.DOWN,
                "queue '"
                    + queue.queue()
                    + "': "
                    + queue.running()
                    + " jobs are claimed by workers that are not heard of; no worker is alive"));
      }
      return;
    }
    Duration allowed = standstill.getOrDefault(queue.queue(), standstillOfOthers);
    boolean finishes =
        queue.sinceFinished().isPresent() && queue.sinceFinished().get().compareTo(allowed) <= 0;
    String jobs =
        "queue '"
            + queue.queue()
            + "': "
            + queue.due()
            + " jobs are due, the oldest for "
            + seconds(oldest.get());
    if (oldest.get().compareTo(allowed) > 0 && !finishes) {
      reasons.add(
          new Reason(
              Status.DOWN,
              jobs
                  + ", and "
                  + queue
                      .sinceFinished()
                      .map(since -> "none was finished for " + seconds(since))
                      .orElse("none was ever finished")
                  + alive(workers, queue.workers())
                  + queue
                      .sinceClaim()
                      .map(since -> ", the last claim was " + seconds(since) + " ago")
                      .orElse("")
                  + queue
                      .sincePause()
                      .map(since -> "; it was paused " + seconds(since) + " ago")
                      .orElse("")
                  + permit(queue.waiting().forPermit())));
    } else if (oldest.get().compareTo(late) > 0) {
      reasons.add(new Reason(Status.DEGRADED, jobs + ", though others are finished"));
    }
  }

  private static String permit(int jobs) {
    return jobs == 0 ? "" : "; permits refuse " + jobs + " of them just now";
  }

  private static String alive(int workers, int ofThisQueue) {
    String alive =
        switch (workers) {
          case 0 -> "; no worker is alive";
          case 1 -> "; one worker is alive";
          default -> "; " + workers + " workers are alive";
        };
    return workers > 0 && ofThisQueue == 0 ? alive + ", but none that runs this queue" : alive;
  }

  private static Duration seconds(Duration duration) {
    return Duration.ofSeconds(duration.toSeconds());
  }
}
