package dev.pgbelay.routing.session;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;

/** Counts what a store could not do. */
interface StoreMeters {
  StoreMeters NONE = operation -> {};

  void failed(String operation);

  /** Into a registry. */
  record OfMicrometer(Counter finds, Counter raises) implements StoreMeters {
    OfMicrometer(MeterRegistry registry) {
      this(counter(registry, "find"), counter(registry, "raise"));
    }

    private static Counter counter(MeterRegistry registry, String operation) {
      return Counter.builder("pgbelay.routing.store.failed")
          .description("Calls of the session store that threw")
          .tag("operation", operation)
          .register(registry);
    }

    @Override
    public void failed(String operation) {
      ("find".equals(operation) ? finds : raises).increment();
    }
  }
}
