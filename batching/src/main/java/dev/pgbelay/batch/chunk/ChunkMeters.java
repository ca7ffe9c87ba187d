package dev.pgbelay.batch.chunk;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What a job reports while it runs. */
interface ChunkMeters {
  ChunkMeters NONE = new ChunkMeters() {};

  default void committed(long nanos, long rows, int nextSize) {}

  default void failed(long nanos) {}

  default void waited(String signal, long nanos) {}

  /** How long the present wait lasts already; 0 when there is none. */
  default void waiting(long millis) {}

  default void leaseLost() {}

  /** Into a registry. */
  final class OfMicrometer implements ChunkMeters {
    private static final String PREFIX = "pgbelay.batch.chunk.";
    private final MeterRegistry registry;
    private final String job;
    private final Timer committed;
    private final Timer failed;
    private final Counter rows;
    private final AtomicInteger size = new AtomicInteger();
    private final AtomicLong waiting = new AtomicLong();

    OfMicrometer(MeterRegistry registry, String job) {
      this.registry = registry;
      this.job = job;
      this.committed = duration("committed");
      this.failed = duration("failed");
      this.rows =
          Counter.builder(PREFIX + "rows")
              .description("Rows that the work changed, in committed chunks")
              .tag("job", job)
              .register(registry);
      Gauge.builder(PREFIX + "size", size, AtomicInteger::get)
          .description("Rows of the next chunk")
          .tag("job", job)
          .strongReference(true)
          .register(registry);
      Gauge.builder(PREFIX + "waiting", waiting, millis -> millis.get() / 1e3)
          .description("Seconds that the job has been held up by the present reason")
          .baseUnit("seconds")
          .tag("job", job)
          .strongReference(true)
          .register(registry);
    }

    private Timer duration(String outcome) {
      return Timer.builder(PREFIX + "duration")
          .description("Chunks, from the first statement to the commit")
          .tag("job", job)
          .tag("outcome", outcome)
          .register(registry);
    }

    @Override
    public void committed(long nanos, long changed, int nextSize) {
      committed.record(nanos, TimeUnit.NANOSECONDS);
      rows.increment((double) changed);
      size.set(nextSize);
    }

    @Override
    public void failed(long nanos) {
      failed.record(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void waited(String signal, long nanos) {
      Timer.builder(PREFIX + "throttled")
          .description("Time that the job stood still, by reason")
          .tag("job", job)
          .tag("signal", signal)
          .register(registry)
          .record(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void waiting(long millis) {
      waiting.set(millis);
    }

    @Override
    public void leaseLost() {
      Counter.builder(PREFIX + "lease.lost")
          .description("Runners that found their job taken over")
          .tag("job", job)
          .register(registry)
          .increment();
    }
  }
}
