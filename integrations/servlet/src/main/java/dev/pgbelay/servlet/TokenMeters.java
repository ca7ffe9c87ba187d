package dev.pgbelay.servlet;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;

/** Counts what became of tokens for clients. */
interface TokenMeters {
  TokenMeters NONE =
      new TokenMeters() {
        @Override
        public void sent() {}

        @Override
        public void late() {}
      };

  void sent();

  void late();

  /** Into a registry. */
  record OfMicrometer(Counter ofSent, Counter ofLate) implements TokenMeters {
    OfMicrometer(MeterRegistry registry) {
      this(counter(registry, "sent"), counter(registry, "late"));
    }

    private static Counter counter(MeterRegistry registry, String state) {
      return Counter.builder("pgbelay.servlet.tokens")
          .description("Tokens for clients: in time, or too late for their response")
          .tag("state", state)
          .register(registry);
    }

    @Override
    public void sent() {
      ofSent.increment();
    }

    @Override
    public void late() {
      ofLate.increment();
    }
  }
}
