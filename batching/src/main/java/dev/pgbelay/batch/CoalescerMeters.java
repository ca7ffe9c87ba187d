package dev.pgbelay.batch;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.LoggerFactory;

/**
 * A registry that fails harms no row: what happens to a row is not a matter of its being counted.
 */
final class CoalescerMeters implements CoalescerEvents {
  private final MeterRegistry registry;
  private final String name;
  private final Gauge queued;
  private final Timer waits;
  private final DistributionSummary rows;
  private final Map<String, Counter> flushes = new ConcurrentHashMap<>();
  private final QuietMetrics quiet;

  CoalescerMeters(MeterRegistry registry, String name, Supplier<Number> size) {
    this.registry = registry;
    this.name = name;
    this.quiet = new QuietMetrics(LoggerFactory.getLogger(WriteCoalescer.class), name);
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
    quiet.count(
        () -> {
          flushes.computeIfAbsent(cause, this::flushesOf).increment();
          rows.record(count);
        });
  }

  private Counter flushesOf(String cause) {
    return Counter.builder("pgbelay.batch.coalescer.flushes")
        .tag("name", name)
        .tag("cause", cause)
        .register(registry);
  }

  @Override
  public void waited(long nanos) {
    quiet.count(() -> waits.record(nanos, TimeUnit.NANOSECONDS));
  }

  @Override
  public void refused() {
    quiet.count(
        () ->
            Counter.builder("pgbelay.batch.coalescer.refusals")
                .tag("name", name)
                .register(registry)
                .increment());
  }

  @Override
  public void closed() {
    quiet.count(() -> registry.remove(queued));
  }
}
