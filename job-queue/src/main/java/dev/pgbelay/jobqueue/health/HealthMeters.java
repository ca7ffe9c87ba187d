package dev.pgbelay.jobqueue.health;

import dev.pgbelay.core.internal.HealthLevel;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.TimeGauge;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** What a monitor shows. The only class of this package that needs Micrometer. */
final class HealthMeters {
  private static final String PREFIX = "pgbelay.jobqueue.";
  private static final String QUEUE = "queue";
  private static final String MONITOR = "monitor";

  private final MeterRegistry registry;
  private final QueueMonitor monitor;
  private final String name;
  private final List<Gauge> gauges = new CopyOnWriteArrayList<>();
  private final Set<String> watched = ConcurrentHashMap.newKeySet();

  HealthMeters(MeterRegistry registry, QueueMonitor monitor, String name) {
    this.registry = registry;
    this.monitor = monitor;
    this.name = name;
    gauges.add(
        Gauge.builder(PREFIX + "health", monitor, is -> HealthLevel.of(is.health()))
            .description("0 up, 1 degraded, 2 down")
            .tag(MONITOR, name)
            .strongReference(true)
            .register(registry));
    gauge("workers", "Workers that are heard of", QueueSnapshot::workers);
    gauge("dead", "Jobs that failed for good", QueueSnapshot::deadLetters);
    gauge(
        "schedule.overdue",
        "Schedules due for more than a minute and not fired",
        QueueSnapshot::overdueSchedules);
    gauge(
        "schedule.failing",
        "Schedules that could not be fired the last time",
        is -> is.failingSchedules().size());
    gauge(
        "schedule.missed.moments",
        "Moments of all schedules that got no job of their own",
        QueueSnapshot::missedMoments);
    gauges.add(
        TimeGauge.builder(
                PREFIX + "horizon.pinned",
                monitor,
                TimeUnit.SECONDS,
                is ->
                    seconds(
                        is.lastSnapshot()
                            .flatMap(
                                seen ->
                                    seen.pins().stream()
                                        .map(pin -> pin.held())
                                        .max(Duration::compareTo))))
            .description(
                "For how long something keeps VACUUM from cleaning up, if longer than allowed")
            .tag(MONITOR, name)
            .strongReference(true)
            .register(registry));
  }

  private void gauge(String ofMeter, String description, ToDoubleFunction<QueueSnapshot> value) {
    gauges.add(
        Gauge.builder(
                PREFIX + ofMeter,
                monitor,
                is -> is.lastSnapshot().map(value::applyAsDouble).orElse(Double.NaN))
            .description(description)
            .tag(MONITOR, name)
            .strongReference(true)
            .register(registry));
  }

  /** Gauges of queues that were not seen before. */
  void watch(Collection<String> queues) {
    for (String queue : queues) {
      if (watched.add(queue)) {
        gauges.add(
            Gauge.builder(
                    PREFIX + "depth",
                    monitor,
                    is -> figures(is, queue).map(QueueFigures::due).orElse(0))
                .description("Jobs that could run now, counted up to the monitor's limit")
                .tag(QUEUE, queue)
                .tag(MONITOR, name)
                .strongReference(true)
                .register(registry));
        gauges.add(
            Gauge.builder(
                    PREFIX + "queue.workers",
                    monitor,
                    is -> figures(is, queue).map(QueueFigures::workers).orElse(0))
                .description("Workers that are heard of and run this queue")
                .tag(QUEUE, queue)
                .tag(MONITOR, name)
                .strongReference(true)
                .register(registry));
        age(queue, "due.age", "For how long the oldest of them is due", QueueFigures::oldestDue);
        age(queue, "claim.age", "Since a worker took a job", QueueFigures::sinceClaim);
        age(queue, "finished.age", "Since a job was finished", QueueFigures::sinceFinished);
        waiting(queue, "key", Waiting::forKey);
        waiting(queue, "pause", Waiting::forPause);
        waiting(queue, "limit", Waiting::forLimit);
        waiting(queue, "permit", Waiting::forPermit);
        age(
            queue,
            "key.age",
            "For how long the oldest job that waits for its partition key is due",
            is -> is.waiting().longestForKey());
      }
    }
  }

  private void waiting(String queue, String reason, ToDoubleFunction<Waiting> jobs) {
    gauges.add(
        Gauge.builder(
                PREFIX + "waiting",
                monitor,
                is ->
                    jobs.applyAsDouble(
                        figures(is, queue).map(QueueFigures::waiting).orElse(Waiting.FOR_NOTHING)))
            .description("Jobs that are due and may not begin, counted up to the monitor's limit")
            .tag(QUEUE, queue)
            .tag("reason", reason)
            .tag(MONITOR, name)
            .strongReference(true)
            .register(registry));
  }

  private void age(
      String queue,
      String ofMeter,
      String description,
      Function<QueueFigures, Optional<Duration>> age) {
    gauges.add(
        TimeGauge.builder(
                PREFIX + ofMeter,
                monitor,
                TimeUnit.SECONDS,
                is -> seconds(figures(is, queue).flatMap(age)))
            .description(description)
            .tag(QUEUE, queue)
            .tag(MONITOR, name)
            .strongReference(true)
            .register(registry));
  }

  /** The monitor has ended; what it saw last would be taken for what is. */
  void close() {
    gauges.forEach(registry::remove);
    gauges.clear();
  }

  private static Optional<QueueFigures> figures(QueueMonitor monitor, String queue) {
    return monitor
        .lastSnapshot()
        .flatMap(seen -> Optional.ofNullable((@Nullable QueueFigures) seen.queues().get(queue)));
  }

  private static double seconds(Optional<Duration> duration) {
    return duration.map(is -> is.toMillis() / 1e3).orElse(0.0);
  }
}
