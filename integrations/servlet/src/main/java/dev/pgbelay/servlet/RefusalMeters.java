package dev.pgbelay.servlet;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;

/** Counts what is not answered by the service. */
interface RefusalMeters {
  RefusalMeters NONE = problem -> {};

  void refused(Problem problem);

  /** Into a registry. */
  record OfMicrometer(MeterRegistry registry, String operation) implements RefusalMeters {
    @Override
    public void refused(Problem problem) {
      Counter.builder("pgbelay.servlet.refusals")
          .description("Requests that were answered without asking the service, by why")
          .tag("operation", operation)
          .tag("problem", problem.anchor())
          .register(registry)
          .increment();
    }
  }
}
