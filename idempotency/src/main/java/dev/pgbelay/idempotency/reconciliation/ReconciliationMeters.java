package dev.pgbelay.idempotency.reconciliation;

import static dev.pgbelay.idempotency.internal.TaggedMeters.lower;

import dev.pgbelay.idempotency.internal.TaggedMeters;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import io.micrometer.core.instrument.MeterRegistry;
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

    private final TaggedMeters meters;

    OfMicrometer(MeterRegistry registry, String operation, String step) {
      this.meters =
          new TaggedMeters(
              registry, LOG, "reconciliations", PREFIX, "operation", operation, "step", step);
    }

    @Override
    public void ran(Result result) {
      meters.count(
          "runs", "Comparisons with the provider, by their result", "result", lower(result));
    }

    @Override
    public void read(int records) {
      meters.add("records", "Records of the provider that were read", records);
    }

    @Override
    public void found(Finding.Kind kind) {
      meters.count("findings", "Differences from the provider", "kind", lower(kind));
    }

    @Override
    public void applied(Settlement settlement) {
      meters.count("applied", "Findings that were applied", "result", lower(settlement));
    }
  }
}
