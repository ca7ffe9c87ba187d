package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.core.internal.QuietMetrics;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a reconciliation reports. */
interface ReconciliationMeters {
  ReconciliationMeters NONE = new ReconciliationMeters() {};

  /** What became of a run. */
  enum Result {
    WHOLE,
    INCOMPLETE,
    FAILED
  }

  default void ran(Result result) {}

  default void read(int records) {}

  default void found(Finding.Kind kind) {}

  default void applied(Settlement settlement) {}

  /** Into a registry. */
  final class OfMicrometer implements ReconciliationMeters {
    private static final Logger LOG = LoggerFactory.getLogger(Reconciliation.class);
    private static final String PREFIX = "pgbelay.idempotency.reconciliation.";

    private final MeterRegistry registry;
    private final String operation;
    private final String step;
    private final QuietMetrics quiet = new QuietMetrics(LOG, "reconciliations");

    OfMicrometer(MeterRegistry registry, String operation, String step) {
      this.registry = registry;
      this.operation = operation;
      this.step = step;
    }

    private void count(String name, String description, double by, String... tags) {
      quiet.count(
          () ->
              Counter.builder(PREFIX + name)
                  .description(description)
                  .tag("operation", operation)
                  .tag("step", step)
                  .tags(tags)
                  .register(registry)
                  .increment(by));
    }

    private static String lower(Enum<?> value) {
      return value.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public void ran(Result result) {
      count("runs", "Comparisons with the provider, by their result", 1, "result", lower(result));
    }

    @Override
    public void read(int records) {
      count("records", "Records of the provider that were read", records);
    }

    @Override
    public void found(Finding.Kind kind) {
      count("findings", "Differences from the provider", 1, "kind", lower(kind));
    }

    @Override
    public void applied(Settlement settlement) {
      count("applied", "Findings that were applied", 1, "result", lower(settlement));
    }
  }
}
