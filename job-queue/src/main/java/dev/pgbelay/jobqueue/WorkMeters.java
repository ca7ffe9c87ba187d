package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** What a worker reports. */
interface WorkMeters {
  WorkMeters NONE = new WorkMeters() {};

  /** For the gauges of one queue. */
  default void watch(String queue, Work work) {}

  /** The worker has ended, and the gauges with it: another may take their names. */
  default void unwatch() {}

  default void claimed(String queue, int jobs) {}

  default void ran(String kind, long nanos) {}

  /** The handler is about to be called. */
  default void began(ClaimedJob job) {}

  /** So many jobs came to that, and it is written. */
  default void settled(String queue, String kind, Fate fate, int jobs) {}

  /** One job did; for those who want each. */
  default void ended(Settlement.Subject job, Fate fate, @Nullable String reason) {}

  /** What was to be written about one job was refused. */
  default void refused(Settlement.Subject job, Fate fate) {}

  default void stale() {}

  default void rescued(int jobs) {}

  default void lostLease() {}

  default void overdue() {}

  default void ignoredInterrupt() {}

  /** Into a registry. */
  final class OfMicrometer implements WorkMeters {
    private static final String PREFIX = "pgbelay.jobqueue.";
    private static final String QUEUE = "queue";
    private final MeterRegistry registry;
    private final String worker;
    private final List<Gauge> gauges = new CopyOnWriteArrayList<>();
    private final Map<String, Timer> attempts = new ConcurrentHashMap<>();
    private final Counter stale;
    private final Counter rescued;
    private final Counter lost;
    private final Counter overdue;
    private final Counter deaf;

    OfMicrometer(MeterRegistry registry, String worker) {
      this.registry = registry;
      this.worker = worker;
      this.stale = counter("stale", "Writes about jobs that were refused: the claim had passed on");
      this.rescued =
          counter("rescued", "Jobs taken back by this process from workers that were not heard of");
      this.lost = counter("worker.lost", "Times that this worker found itself given up by others");
      this.overdue = counter("overdue", "Attempts that were interrupted at their deadline");
      this.deaf =
          counter("uninterruptible", "Attempts that went on for a second after their interrupt");
    }

    private Counter counter(String name, String description) {
      return Counter.builder(PREFIX + name).description(description).register(registry);
    }

    @Override
    public void overdue() {
      overdue.increment();
    }

    @Override
    public void ignoredInterrupt() {
      deaf.increment();
    }

    @Override
    public void watch(String queue, Work work) {
      gauge("running", queue, work, Work::running, "Jobs whose handler is running here");
      gauge(
          "buffered",
          queue,
          work,
          Work::buffered,
          "Jobs claimed by this process that wait for a thread");
    }

    private void gauge(
        String name, String queue, Work work, ToDoubleFunction<Work> value, String description) {
      gauges.add(
          Gauge.builder(PREFIX + name, work, value)
              .description(description)
              .tag(QUEUE, queue)
              .tag("worker", worker)
              .register(registry));
    }

    @Override
    public void unwatch() {
      gauges.forEach(registry::remove);
      gauges.clear();
    }

    @Override
    public void claimed(String queue, int jobs) {
      registry.counter(PREFIX + "claimed", QUEUE, queue).increment(jobs);
    }

    @Override
    public void ran(String kind, long nanos) {
      attempts.computeIfAbsent(kind, this::timer).record(nanos, TimeUnit.NANOSECONDS);
    }

    private Timer timer(String kind) {
      return Timer.builder(PREFIX + "attempt")
          .description("Time that handlers took")
          .tag("kind", kind)
          .register(registry);
    }

    @Override
    public void settled(String queue, String kind, Fate fate, int jobs) {
      registry.counter(PREFIX + "settled", QUEUE, queue, "outcome", fate.tag()).increment(jobs);
    }

    @Override
    public void stale() {
      stale.increment();
    }

    @Override
    public void rescued(int jobs) {
      rescued.increment(jobs);
    }

    @Override
    public void lostLease() {
      lost.increment();
    }
  }
}
