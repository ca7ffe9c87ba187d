package dev.pgbelay.jobqueue.health;

import dev.pgbelay.core.horizon.HorizonPin;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * What a {@link QueueMonitor} has read at one moment. Immutable and safe for several threads.
 *
 * @param queues the queues that have jobs that are due or running, have been worked on, or are
 *     watched, by name
 * @param workers workers that are heard of
 * @param deadLetters jobs that failed for good, counted up to the monitor's limit
 * @param overdueSchedules schedules whose moment passed more than a minute ago and was not fired
 * @param failingSchedules names of schedules that could not be fired the last time
 * @param missedMoments how many moments of all schedules got no job of their own, ever
 * @param sinceSuccess of the kinds that are expected to succeed: since the last success, or since
 *     the kind is expected
 * @param pins who keeps VACUUM from cleaning up
 */
public record QueueSnapshot(
    Map<String, QueueFigures> queues,
    int workers,
    int deadLetters,
    int overdueSchedules,
    List<String> failingSchedules,
    long missedMoments,
    Map<String, Duration> sinceSuccess,
    List<HorizonPin> pins) {
  public QueueSnapshot {
    queues = Map.copyOf(queues);
    failingSchedules = List.copyOf(failingSchedules);
    sinceSuccess = Map.copyOf(sinceSuccess);
    pins = List.copyOf(pins);
  }
}
