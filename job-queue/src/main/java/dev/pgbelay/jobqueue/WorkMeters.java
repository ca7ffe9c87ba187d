package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;

/** What a worker reports. */
interface WorkMeters {
  WorkMeters NONE = new WorkMeters() {};

  /** For the gauges of one queue. */
  default void watch(String queue, Work work) {}

  default void claimed(String queue, int jobs) {}

  default void ran(String kind, long nanos) {}

  default void settled(String queue, Fate fate) {}

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
    private final Counter stale;
    private final Counter rescued;
    private final Counter lost;
    private final Counter overdue;
    private final Counter deaf;

    OfMicrometer(MeterRegistry registry) {
      this.registry = registry;
      this.stale =
          Counter.builder(PREFIX + "stale")
              .description("Writes about jobs that were refused: the claim had passed on")
              .register(registry);
      this.rescued =
          Counter.builder(PREFIX + "rescued")
              .description("Jobs taken back by this process from workers that were not heard of")
              .register(registry);
      this.lost =
          Counter.builder(PREFIX + "worker.lost")
              .description("Times that this worker found itself given up by others")
              .register(registry);
      this.overdue =
          Counter.builder(PREFIX + "overdue")
              .description("Attempts that were interrupted at their deadline")
              .register(registry);
      this.deaf =
          Counter.builder(PREFIX + "uninterruptible")
              .description("Attempts that went on for a second after their interrupt")
              .register(registry);
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
      Gauge.builder(PREFIX + "running", work, Work::running)
          .description("Jobs whose handler is running here")
          .tag(QUEUE, queue)
          .register(registry);
      Gauge.builder(PREFIX + "buffered", work, Work::buffered)
          .description("Jobs claimed by this process that wait for a thread")
          .tag(QUEUE, queue)
          .register(registry);
    }

    @Override
    public void claimed(String queue, int jobs) {
      registry.counter(PREFIX + "claimed", QUEUE, queue).increment(jobs);
    }

    @Override
    public void ran(String kind, long nanos) {
      Timer.builder(PREFIX + "attempt")
          .description("Time that handlers took")
          .tag("kind", kind)
          .register(registry)
          .record(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void settled(String queue, Fate fate) {
      registry.counter(PREFIX + "settled", QUEUE, queue, "outcome", fate.tag()).increment();
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
