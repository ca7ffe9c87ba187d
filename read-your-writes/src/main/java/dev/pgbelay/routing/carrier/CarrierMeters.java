package dev.pgbelay.routing.carrier;

import dev.pgbelay.routing.carrier.TokenCarrier.Outcome;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** Counts tokens that came. */
interface CarrierMeters {
  CarrierMeters NONE = outcome -> {};

  void came(Outcome outcome);

  /** Into a registry. */
  final class OfMicrometer implements CarrierMeters {
    private final Map<Outcome, Counter> counters = new EnumMap<>(Outcome.class);

    OfMicrometer(MeterRegistry registry) {
      for (Outcome outcome : Outcome.values()) {
        if (outcome != Outcome.NONE) {
          counters.put(
              outcome,
              Counter.builder("pgbelay.routing.tokens")
                  .description("Tokens that came with requests, answers and messages")
                  .tag("outcome", outcome.name().toLowerCase(Locale.ROOT))
                  .register(registry));
        }
      }
    }

    @Override
    public void came(Outcome outcome) {
      Objects.requireNonNull(counters.get(outcome)).increment();
    }
  }
}
