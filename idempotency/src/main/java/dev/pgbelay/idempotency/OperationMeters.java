package dev.pgbelay.idempotency;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What an operation reports. */
interface OperationMeters {
  OperationMeters NONE = new OperationMeters() {};

  default void answered(Outcome outcome) {}

  default void failed() {}

  default void waited(Duration time) {}

  default void fromCache() {}

  /** Into a registry. */
  final class OfMicrometer implements OperationMeters {
    private static final Logger LOG = LoggerFactory.getLogger(Operation.class);
    private static final String PREFIX = "pgbelay.idempotency.";

    private final QuietMetrics quiet;
    private final Map<Outcome, Counter> outcomes = new EnumMap<>(Outcome.class);
    private final Counter failed;
    private final Counter cached;
    private final Timer waited;

    OfMicrometer(MeterRegistry registry, String operation) {
      this.quiet = new QuietMetrics(LOG, "idempotent operations");
      for (Outcome outcome : Outcome.values()) {
        outcomes.put(outcome, calls(registry, operation, outcome.name()));
      }
      this.failed = calls(registry, operation, "failed");
      this.cached =
          Counter.builder(PREFIX + "cache.hits")
              .description("Replays that were answered by this process alone")
              .tag("operation", operation)
              .register(registry);
      this.waited =
          Timer.builder(PREFIX + "waits")
              .description("Time that calls waited for another one under their key")
              .tag("operation", operation)
              .register(registry);
    }

    private static Counter calls(MeterRegistry registry, String operation, String outcome) {
      return Counter.builder(PREFIX + "calls")
          .description("Calls under a key, by what became of them")
          .tag("operation", operation)
          .tag("outcome", outcome.toLowerCase(Locale.ROOT))
          .register(registry);
    }

    @Override
    public void answered(Outcome outcome) {
      quiet.count(() -> outcomes.getOrDefault(outcome, failed).increment());
    }

    @Override
    public void failed() {
      quiet.count(failed::increment);
    }

    @Override
    public void waited(Duration time) {
      quiet.count(() -> waited.record(time));
    }

    @Override
    public void fromCache() {
      quiet.count(cached::increment);
    }
  }
}
