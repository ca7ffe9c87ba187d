package dev.pgbelay.batch;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.function.Supplier;

final class CoalescerMeters implements CoalescerEvents {
  private final MeterRegistry registry;
  private final String name;
  private final Gauge queued;
  private final Timer waits;
  private final DistributionSummary rows;

  CoalescerMeters(MeterRegistry registry, String name, Supplier<Number> size) {
    this.registry = registry;
    this.name = name;
    this.queued =
        Gauge.builder("pgbelay.batch.coalescer.queued", size)
            .description("Rows that wait to be flushed")
            .tag("name", name)
            .register(registry);
    this.waits =
        Timer.builder("pgbelay.batch.coalescer.waits")
            .description("From submit to the completion of the future")
            .tag("name", name)
            .register(registry);
    this.rows =
        DistributionSummary.builder("pgbelay.batch.coalescer.rows")
            .description("Rows that were flushed together")
            .tag("name", name)
            .register(registry);
  }

  @Override
  public void flushing(String cause, int count) {
    Counter.builder("pgbelay.batch.coalescer.flushes")
        .tag("name", name)
        .tag("cause", cause)
        .register(registry)
        .increment();
    rows.record(count);
  }

  @Override
  public void waited(Duration time) {
    waits.record(time);
  }

  @Override
  public void refused() {
    Counter.builder("pgbelay.batch.coalescer.refusals")
        .tag("name", name)
        .register(registry)
        .increment();
  }

  @Override
  public void closed() {
    registry.remove(queued);
  }
}
