package dev.pgbelay.idempotency.internal;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Supplier;
import org.slf4j.Logger;

/**
 * Meters of one thing, which all have its tags. A registry that fails harms nothing but them. Only
 * for those who have Micrometer. Safe for several threads.
 */
public final class TaggedMeters {
  private final MeterRegistry registry;
  private final QuietMetrics quiet;
  private final String prefix;
  private final Tags own;

  /**
   * @param log who complains, once, of a registry that fails
   * @param of whose meters they are, for that log
   * @param prefix of their names
   * @param own tags of each of them, a name and a value in turn
   */
  public TaggedMeters(MeterRegistry registry, Logger log, String of, String prefix, String... own) {
    this.registry = registry;
    this.quiet = new QuietMetrics(log, of);
    this.prefix = prefix;
    this.own = Tags.of(own);
  }

  public void gauge(String name, String description, String unit, Supplier<Number> value) {
    Gauge.builder(prefix + name, value)
        .description(description)
        .baseUnit(unit)
        .tags(own)
        .strongReference(true)
        .register(registry);
  }

  public void count(String name, String description, String... tags) {
    add(name, description, 1, tags);
  }

  public void add(String name, String description, double by, String... tags) {
    quiet.count(
        () ->
            Counter.builder(prefix + name)
                .description(description)
                .tags(own.and(tags))
                .register(registry)
                .increment(by));
  }

  public void time(String name, String description, Duration time, String... tags) {
    quiet.count(
        () ->
            Timer.builder(prefix + name)
                .description(description)
                .tags(own.and(tags))
                .register(registry)
                .record(time));
  }

  /** As the value of a tag. */
  public static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
