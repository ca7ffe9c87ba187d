package dev.pgbelay.routing.health;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.internal.HealthLevel;
import dev.pgbelay.routing.ReadYourWrites;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;

/**
 * Says of a router's nodes whether somebody has to see to them.
 *
 * <p>DOWN: no node accepts writes, or several do. DEGRADED: a node is silent, lags beyond the
 * limits or was left behind in a fail-over, or no replica is read from. Of what probes have said,
 * so it sends nothing and never blocks; within {@code maxAge} of a change. Not for a liveness
 * probe: no restart of this process mends a database. Safe for several threads.
 */
public final class RoutingHealth {
  private final ReadYourWrites routing;

  private RoutingHealth(ReadYourWrites routing) {
    this.routing = routing;
  }

  /** Of this router's nodes. */
  public static RoutingHealth of(ReadYourWrites routing) {
    return new RoutingHealth(routing);
  }

  /** And in a gauge, {@code pgbelay.routing.health}: 0 up, 1 degraded, 2 down. */
  public static RoutingHealth of(ReadYourWrites routing, MeterRegistry registry) {
    RoutingHealth health = of(routing);
    Gauge ignored =
        Gauge.builder("pgbelay.routing.health", health, is -> HealthLevel.of(is.health()))
            .description("0 up, 1 degraded, 2 down")
            .strongReference(true)
            .register(registry);
    return health;
  }

  /** As of now. */
  public Health health() {
    return HealthRules.judge(routing.nodes());
  }
}
