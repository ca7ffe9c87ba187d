package dev.pgbelay.reconcile.migrate;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import org.slf4j.LoggerFactory;

/** What a guard would have done. The only class of this package that needs Micrometer. */
final class ShadowMeters {
  private static final String PREFIX = "pgbelay.reconcile.shadow.";

  private final QuietMetrics quiet;
  private final Counter checks;
  private final Counter refused;
  private final Counter committed;
  private final Counter unknown;

  ShadowMeters(MeterRegistry registry, String reference) {
    this.quiet = new QuietMetrics(LoggerFactory.getLogger(ShadowGuard.class), "shadow guards");
    this.checks = counter(registry, "checks", "Calls of a shadow guard", reference);
    this.refused = counter(registry, "refused", "Calls that it would have refused", reference);
    this.committed =
        counter(
            registry,
            "committed",
            "Calls that it would have refused, in transactions that committed",
            reference);
    this.unknown =
        counter(
            registry,
            "unknown",
            "Calls that it would have refused, in transactions whose end is not seen",
            reference);
  }

  private static Counter counter(
      MeterRegistry registry, String name, String description, String reference) {
    return Counter.builder(PREFIX + name)
        .description(description)
        .tag("reference", reference)
        .register(registry);
  }

  void checked() {
    quiet.count(checks::increment);
  }

  void refused() {
    quiet.count(refused::increment);
  }

  void committed() {
    quiet.count(committed::increment);
  }

  void unknown() {
    quiet.count(unknown::increment);
  }
}
