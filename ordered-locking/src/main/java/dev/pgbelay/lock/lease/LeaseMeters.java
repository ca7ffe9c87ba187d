package dev.pgbelay.lock.lease;

import dev.pgbelay.core.internal.LeaseKeepAlive;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;

/** What leases report. */
interface LeaseMeters {
  LeaseMeters NONE = new LeaseMeters() {};

  default void asked(boolean granted) {}

  default void lost() {}

  /** Into a registry. */
  final class OfMicrometer implements LeaseMeters {
    private static final String PREFIX = "pgbelay.lock.lease.";
    private final Counter granted;
    private final Counter refused;
    private final Counter lost;

    OfMicrometer(MeterRegistry registry, String name, LeaseKeepAlive keepAlive) {
      this.granted = asked(registry, name, "granted");
      this.refused = asked(registry, name, "held_elsewhere");
      this.lost =
          Counter.builder(PREFIX + "lost")
              .description("Leases whose holder found that it has them no more")
              .tag("leases", name)
              .register(registry);
      Gauge.builder(PREFIX + "held", keepAlive, LeaseKeepAlive::count)
          .description("Leases that this process keeps alive")
          .tag("leases", name)
          .register(registry);
    }

    private static Counter asked(MeterRegistry registry, String name, String outcome) {
      return Counter.builder(PREFIX + "asked")
          .description("Questions for a lease")
          .tag("leases", name)
          .tag("outcome", outcome)
          .register(registry);
    }

    @Override
    public void asked(boolean wasGranted) {
      (wasGranted ? granted : refused).increment();
    }

    @Override
    public void lost() {
      lost.increment();
    }
  }
}
