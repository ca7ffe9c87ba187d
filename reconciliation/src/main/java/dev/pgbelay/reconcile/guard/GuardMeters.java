package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import org.slf4j.LoggerFactory;

/** What a guard is asked. The only class of this package that needs Micrometer. */
final class GuardMeters {
  private static final String PREFIX = "pgbelay.reconcile.guard.";

  private final QuietMetrics quiet;
  private final Counter checks;
  private final Counter keys;
  private final Counter misses;
  private final Counter refused;

  GuardMeters(MeterRegistry registry, String reference, String mode) {
    this.quiet = new QuietMetrics(LoggerFactory.getLogger(ParentGuard.class), "guards");
    this.checks = counter(registry, "checks", "Calls of a guard", reference, mode);
    this.keys = counter(registry, "keys", "Keys that it was asked for", reference, mode);
    this.misses =
        counter(registry, "misses", "Keys that the database was asked for", reference, mode);
    this.refused = counter(registry, "refused", "Keys without a parent", reference, mode);
  }

  private static Counter counter(
      MeterRegistry registry, String name, String description, String reference, String mode) {
    return Counter.builder(PREFIX + name)
        .description(description)
        .tag("reference", reference)
        .tag("mode", mode)
        .register(registry);
  }

  void checked(int asked, int missing) {
    quiet.count(
        () -> {
          checks.increment();
          keys.increment(asked);
          refused.increment(missing);
        });
  }

  void missed(int asked) {
    quiet.count(() -> misses.increment(asked));
  }
}
