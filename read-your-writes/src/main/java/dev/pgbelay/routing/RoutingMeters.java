package dev.pgbelay.routing;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The metrics of the guide; none are kept without a registry. */
final class RoutingMeters {
  private record Route(String node, RouteDecision.Reason reason) {}

  private final @Nullable MeterRegistry registry;
  private final Map<Route, Counter> routes = new ConcurrentHashMap<>();
  private final Map<Member, List<Gauge>> gauges = new ConcurrentHashMap<>();
  private final @Nullable Timer waited;
  private final @Nullable Counter lost;
  private final @Nullable Counter full;

  RoutingMeters(@Nullable MeterRegistry registry) {
    this.registry = registry;
    this.waited =
        registry == null
            ? null
            : Timer.builder("pgbelay.routing.waited")
                .description("Time that reads waited for a replica")
                .register(registry);
    this.lost = counter("lost", "Positions that may be lost with an older timeline");
    this.full = counter("full", "Reads that found the primary full");
  }

  private @Nullable Counter counter(String name, String description) {
    return registry == null
        ? null
        : Counter.builder("pgbelay.routing." + name).description(description).register(registry);
  }

  void watch(Member node) {
    if (registry == null) {
      return;
    }
    gauges.put(
        node,
        List.of(
            Gauge.builder("pgbelay.routing.lag.bytes", node, each -> each.lagBytes())
                .description("How far the node is behind the primary, as both were last seen")
                .tag("node", node.name())
                .register(registry),
            Gauge.builder("pgbelay.routing.sight.age", node, each -> each.sightAgeSeconds())
                .description("Seconds since the node last answered a probe")
                .baseUnit("seconds")
                .tag("node", node.name())
                .register(registry),
            Gauge.builder("pgbelay.routing.waiters", node, each -> each.monitor().waiters())
                .description("Sessions that wait for the node")
                .tag("node", node.name())
                .register(registry)));
  }

  /** What it said last would be taken for what is; and its name may be another node's next. */
  void unwatch(Member node) {
    List<Gauge> gone = gauges.remove(node);
    if (registry != null && gone != null) {
      gone.forEach(registry::remove);
    }
  }

  void decided(RouteDecision decision, long waitedNanos) {
    if (registry == null) {
      return;
    }
    routes
        .computeIfAbsent(new Route(decision.node(), decision.reason()), this::register)
        .increment();
    if (waitedNanos > 0 && waited != null) {
      waited.record(waitedNanos, TimeUnit.NANOSECONDS);
    }
  }

  private Counter register(Route route) {
    if (registry == null) {
      throw new IllegalStateException("no registry");
    }
    return Counter.builder("pgbelay.routing.routed")
        .description("Reads and writes by node and reason")
        .tag("node", route.node())
        .tag("reason", route.reason().name())
        .register(registry);
  }

  void lost() {
    if (lost != null) {
      lost.increment();
    }
  }

  void full() {
    if (full != null) {
      full.increment();
    }
  }
}
