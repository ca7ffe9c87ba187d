package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What an inbox and its workers report. */
interface WebhookMeters {
  WebhookMeters NONE = new WebhookMeters() {};

  /**
   * How many events stand where.
   *
   * @param pending those that are not processed yet
   * @param oldestPendingSeconds since when the oldest of them
   * @param parked those that wait for a decision
   */
  record Standing(long pending, double oldestPendingSeconds, long parked) {}

  /** What became of an attempt. */
  enum Result {
    PROCESSED,
    NOT_YET,
    FAILED,
    PARKED,
    LOST
  }

  default void received(Reception.Outcome outcome, Duration time) {}

  default void failed(Duration time) {}

  default void handled(Result result) {}

  default void takenOver() {}

  default void stands(Standing standing) {}

  /** Into a registry. */
  final class OfMicrometer implements WebhookMeters {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookInbox.class);
    private static final String PREFIX = "pgbelay.idempotency.webhook.";

    private final MeterRegistry registry;
    private final String provider;
    private final QuietMetrics quiet = new QuietMetrics(LOG, "webhooks");
    private volatile Standing standing = new Standing(0, 0, 0);

    OfMicrometer(MeterRegistry registry, String provider) {
      this.registry = registry;
      this.provider = provider;
      gauge("pending", "Events that are not processed yet", "events");
      gauge("pending.age", "Since when the oldest of them", "seconds");
      gauge("parked", "Events that wait for a decision", "events");
    }

    private void gauge(String name, String description, String unit) {
      Gauge.builder(PREFIX + name, () -> value(name))
          .description(description)
          .baseUnit(unit)
          .tag("provider", provider)
          .strongReference(true)
          .register(registry);
    }

    private double value(String name) {
      Standing now = standing;
      return switch (name) {
        case "pending" -> now.pending();
        case "parked" -> now.parked();
        default -> now.oldestPendingSeconds();
      };
    }

    private void time(String outcome, Duration time) {
      quiet.count(
          () ->
              Timer.builder(PREFIX + "deliveries")
                  .description("Deliveries, by what was done with them, and how long it took")
                  .tag("provider", provider)
                  .tag("outcome", outcome)
                  .register(registry)
                  .record(time));
    }

    @Override
    public void received(Reception.Outcome outcome, Duration time) {
      time(outcome.name().toLowerCase(Locale.ROOT), time);
    }

    @Override
    public void failed(Duration time) {
      time("failed", time);
    }

    @Override
    public void handled(Result result) {
      quiet.count(
          () ->
              Counter.builder(PREFIX + "attempts")
                  .description("Attempts to process an event, by what became of them")
                  .tag("provider", provider)
                  .tag("result", result.name().toLowerCase(Locale.ROOT))
                  .register(registry)
                  .increment());
    }

    @Override
    public void takenOver() {
      quiet.count(
          () ->
              Counter.builder(PREFIX + "takeovers")
                  .description("Events that were claimed after a crash of their worker")
                  .tag("provider", provider)
                  .register(registry)
                  .increment());
    }

    @Override
    public void stands(Standing now) {
      standing = now;
    }
  }
}
