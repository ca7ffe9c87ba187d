package dev.pgbelay.keyset;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Meters are looked up once and kept: a registry's own look-up costs more than a timer's record.
 */
final class MicrometerKeysetMetrics implements KeysetMetrics {
  private final MeterRegistry registry;
  private final String queryName;
  private final Map<String, Timer> timers = new ConcurrentHashMap<>();

  MicrometerKeysetMetrics(MeterRegistry registry, String queryName) {
    this.registry = registry;
    this.queryName = queryName;
  }

  @Override
  public void page(PageRequest.Position position, String plan, long nanos) {
    timers
        .computeIfAbsent(
            position + plan,
            key ->
                Timer.builder("pgbelay.keyset.page")
                    .description("Time to read one page, from checking the request to the last row")
                    .tag("query", queryName)
                    .tag("position", position.name().toLowerCase(Locale.ROOT))
                    .tag("plan", plan)
                    .register(registry))
        .record(nanos, TimeUnit.NANOSECONDS);
  }

  @Override
  public void cursorRefused(InvalidCursorException.Reason reason) {
    Counter.builder("pgbelay.keyset.cursor.refused")
        .description("Cursors that were not answered with rows")
        .tag("query", queryName)
        .tag("reason", reason.name().toLowerCase(Locale.ROOT))
        .register(registry)
        .increment();
  }
}
