package dev.pgbelay.core.background;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.TimeGauge;
import io.micrometer.core.instrument.Timer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A loop's meters. The only class of this package that needs Micrometer, and only with a registry.
 */
final class LoopMeters implements LoopObserver {
  private static final String NAME = "name";
  private static final String RUNNING = "pgbelay.background.running";

  private final MeterRegistry registry;
  private final String name;
  private final Counter work;
  private final Timer worked;
  private final Timer idle;
  private final Timer failed;
  private final List<Meter> gauges = new ArrayList<>();

  LoopMeters(MeterRegistry registry, String name) {
    this.registry = registry;
    this.name = name;
    this.work = registry.counter("pgbelay.background.work", NAME, name);
    this.worked = pass("worked");
    this.idle = pass("idle");
    this.failed = pass("failed");
  }

  private Timer pass(String outcome) {
    return registry.timer("pgbelay.background.pass", NAME, name, "outcome", outcome);
  }

  @Override
  public boolean started(BackgroundLoop loop) {
    synchronized (registry) {
      @Nullable Gauge other = registry.find(RUNNING).tag(NAME, name).gauge();
      if (other != null) {
        return false;
      }
      gauges.add(
          Gauge.builder(RUNNING, loop, l -> l.isRunning() ? 1 : 0)
              .description("1 while the loop's thread lives")
              .tag(NAME, name)
              .register(registry));
    }
    gauges.add(
        TimeGauge.builder(
                "pgbelay.background.success.age",
                loop,
                TimeUnit.NANOSECONDS,
                l -> l.sinceLastSuccess().toNanos())
            .description("Time since the last pass that did not fail, or since the start")
            .tag(NAME, name)
            .register(registry));
    gauges.add(
        Gauge.builder(
                "pgbelay.background.failures.consecutive",
                loop,
                BackgroundLoop::consecutiveFailures)
            .description("Failed passes since the last one that did not fail")
            .tag(NAME, name)
            .register(registry));
    return true;
  }

  @Override
  public void passed(Pass pass, long nanos) {
    (pass.work() > 0 ? worked : idle).record(nanos, TimeUnit.NANOSECONDS);
    work.increment(pass.work());
  }

  @Override
  public void failed(long nanos) {
    failed.record(nanos, TimeUnit.NANOSECONDS);
  }

  @Override
  public void ended() {
    gauges.forEach(registry::remove);
    gauges.clear();
  }
}
