package dev.pgbelay.idempotency.payment;

import static dev.pgbelay.idempotency.internal.TaggedMeters.lower;

import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.internal.TaggedMeters;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.function.Supplier;
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

  /** Asked for only where somebody is told. */
  default void stands(Supplier<Standing> now) {}

  /** Into a registry. */
  final class OfMicrometer implements PaymentMeters {
    private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);
    private static final String PREFIX = "pgbelay.idempotency.payment.";

    private final TaggedMeters meters;
    private volatile Standing standing = new Standing(0, 0, 0);

    OfMicrometer(MeterRegistry registry, String operation) {
      this.meters = new TaggedMeters(registry, LOG, "payments", PREFIX, "operation", operation);
      meters.gauge(
          "unknown",
          "Payments of which it is not known what a provider did",
          "payments",
          () -> standing.unknown());
      meters.gauge(
          "unknown.age",
          "Since when the oldest of them",
          "seconds",
          () -> standing.oldestUnknownSeconds());
      meters.gauge(
          "parked", "Payments that wait for a decision", "payments", () -> standing.parked());
    }

    @Override
    public void answered(Outcome outcome) {
      meters.count("calls", "Calls under a key, by what became of them", "outcome", lower(outcome));
    }

    @Override
    public void failed() {
      meters.count("calls", "Calls under a key, by what became of them", "outcome", "failed");
    }

    @Override
    public void fromCache() {
      meters.count("cache.hits", "Replays that were answered by this process alone");
    }

    @Override
    public void replied(String step, ProviderReply.Kind kind) {
      meters.count("provider.replies", "What providers replied", "step", step, "kind", lower(kind));
    }

    @Override
    public void found(String step, ProviderReply.Kind kind) {
      meters.count(
          "provider.queries",
          "What providers said about earlier calls",
          "step",
          step,
          "kind",
          lower(kind));
    }

    @Override
    public void lost() {
      meters.count("claims.lost", "Writes under a claim that somebody else had by then");
    }

    @Override
    public void takenOver() {
      meters.count("takeovers", "Payments that were carried on after a crash of their holder");
    }

    @Override
    public void parked() {
      meters.count("parkings", "Payments that were left to a decision");
    }

    @Override
    public void settled(PaymentOperation.Settlement settlement) {
      meters.count("settlements", "Replies that came by another way", "result", lower(settlement));
    }

    @Override
    public void stands(Supplier<Standing> now) {
      standing = now.get();
    }
  }
}
