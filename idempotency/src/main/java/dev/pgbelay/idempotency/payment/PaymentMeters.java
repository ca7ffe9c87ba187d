package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.QuietMetrics;
import dev.pgbelay.idempotency.Outcome;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a payment operation reports. */
interface PaymentMeters {
  PaymentMeters NONE = new PaymentMeters() {};

  /**
   * How many payments stand where.
   *
   * @param unknown those of which it is not known what a provider did
   * @param oldestUnknownSeconds since when the oldest of them
   * @param parked those that wait for a decision
   */
  record Standing(long unknown, double oldestUnknownSeconds, long parked) {}

  default void answered(Outcome outcome) {}

  default void failed() {}

  default void fromCache() {}

  default void replied(String step, ProviderReply.Kind kind) {}

  default void found(String step, ProviderReply.Kind kind) {}

  default void lost() {}

  default void takenOver() {}

  default void parked() {}

  default void settled(PaymentOperation.Settlement settlement) {}

  default void stands(Standing standing) {}

  /** Into a registry. */
  final class OfMicrometer implements PaymentMeters {
    private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);
    private static final String PREFIX = "pgbelay.idempotency.payment.";

    private final MeterRegistry registry;
    private final String operation;
    private final QuietMetrics quiet = new QuietMetrics(LOG, "payments");
    private volatile Standing standing = new Standing(0, 0, 0);

    OfMicrometer(MeterRegistry registry, String operation) {
      this.registry = registry;
      this.operation = operation;
      gauge("unknown", "Payments of which it is not known what a provider did", "payments");
      gauge("unknown.age", "Since when the oldest of them", "seconds");
      gauge("parked", "Payments that wait for a decision", "payments");
    }

    private void gauge(String name, String description, String unit) {
      Gauge.builder(PREFIX + name, () -> value(name))
          .description(description)
          .baseUnit(unit)
          .tag("operation", operation)
          .strongReference(true)
          .register(registry);
    }

    private double value(String name) {
      Standing now = standing;
      return switch (name) {
        case "unknown" -> now.unknown();
        case "parked" -> now.parked();
        default -> now.oldestUnknownSeconds();
      };
    }

    private void count(String name, String description, String... tags) {
      quiet.count(
          () ->
              Counter.builder(PREFIX + name)
                  .description(description)
                  .tag("operation", operation)
                  .tags(tags)
                  .register(registry)
                  .increment());
    }

    private static String lower(Enum<?> value) {
      return value.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public void answered(Outcome outcome) {
      count("calls", "Calls under a key, by what became of them", "outcome", lower(outcome));
    }

    @Override
    public void failed() {
      count("calls", "Calls under a key, by what became of them", "outcome", "failed");
    }

    @Override
    public void fromCache() {
      count("cache.hits", "Replays that were answered by this process alone");
    }

    @Override
    public void replied(String step, ProviderReply.Kind kind) {
      count("provider.replies", "What providers replied", "step", step, "kind", lower(kind));
    }

    @Override
    public void found(String step, ProviderReply.Kind kind) {
      count(
          "provider.queries",
          "What providers said about earlier calls",
          "step",
          step,
          "kind",
          lower(kind));
    }

    @Override
    public void lost() {
      count("claims.lost", "Writes under a claim that somebody else had by then");
    }

    @Override
    public void takenOver() {
      count("takeovers", "Payments that were carried on after a crash of their holder");
    }

    @Override
    public void parked() {
      count("parkings", "Payments that were left to a decision");
    }

    @Override
    public void settled(PaymentOperation.Settlement settlement) {
      count("settlements", "Replies that came by another way", "result", lower(settlement));
    }

    @Override
    public void stands(Standing now) {
      standing = now;
    }
  }
}
