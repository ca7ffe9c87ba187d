package dev.pgbelay.idempotency.webhook;

import static dev.pgbelay.idempotency.internal.TaggedMeters.lower;

import dev.pgbelay.idempotency.internal.TaggedMeters;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.function.Supplier;
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

  /** Asked for only where somebody is told. */
  default void stands(Supplier<Standing> now) {}

  /** Into a registry. */
  final class OfMicrometer implements WebhookMeters {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookInbox.class);
    private static final String PREFIX = "pgbelay.idempotency.webhook.";

    private final TaggedMeters meters;
    private volatile Standing standing = new Standing(0, 0, 0);

    OfMicrometer(MeterRegistry registry, String provider) {
      this.meters = new TaggedMeters(registry, LOG, "webhooks", PREFIX, "provider", provider);
      meters.gauge(
          "pending", "Events that are not processed yet", "events", () -> standing.pending());
      meters.gauge(
          "pending.age",
          "Since when the oldest of them",
          "seconds",
          () -> standing.oldestPendingSeconds());
      meters.gauge("parked", "Events that wait for a decision", "events", () -> standing.parked());
    }

    private void time(String outcome, Duration time) {
      meters.time(
          "deliveries",
          "Deliveries, by what was done with them, and how long it took",
          time,
          "outcome",
          outcome);
    }

    @Override
    public void received(Reception.Outcome outcome, Duration time) {
      time(lower(outcome), time);
    }

    @Override
    public void failed(Duration time) {
      time("failed", time);
    }

    @Override
    public void handled(Result result) {
      meters.count(
          "attempts",
          "Attempts to process an event, by what became of them",
          "result",
          lower(result));
    }

    @Override
    public void takenOver() {
      meters.count("takeovers", "Events that were claimed after a crash of their worker");
    }

    @Override
    public void stands(Supplier<Standing> now) {
      standing = now.get();
    }
  }
}
