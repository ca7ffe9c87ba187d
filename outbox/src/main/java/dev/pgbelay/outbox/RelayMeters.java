package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is counted of one destination. */
interface RelayMeters {
  default void watch(RelayWindow window) {}

  default void unwatch() {}

  default void published(long nanos) {}

  /** Delivered, and written down as such. */
  default void delivered(List<LaneMessage> messages) {}

  /** {@link System#nanoTime} of the last of these; empty before the first. */
  OptionalLong lastDelivery();

  default void failed(int messages) {}

  default void rejected(int messages) {}

  default void dead(int messages) {}

  default void parked() {}

  /** What was here, or on its way, when the relay found itself given up by others. */
  default void stale(int messages) {}

  default void lost() {}

  /** Where there is no registry. */
  final class Unregistered implements RelayMeters {
    private volatile @Nullable Long deliveredAt;

    @Override
    public void delivered(List<LaneMessage> messages) {
      deliveredAt = System.nanoTime();
    }

    @Override
    public OptionalLong lastDelivery() {
      Long at = deliveredAt;
      return at == null ? OptionalLong.empty() : OptionalLong.of(at);
    }
  }

  /** In a registry. */
  final class OfMicrometer implements RelayMeters {
    private static final Logger LOG = LoggerFactory.getLogger(RelayMeters.class);
    private static final String PREFIX = "pgbelay.outbox.";

    private final MeterRegistry registry;
    private final String relay;
    private final String destination;
    private final QuietMetrics quiet;
    private final Counter delivered;
    private final Counter failed;
    private final Counter rejected;
    private final Counter dead;
    private final Counter parked;
    private final Counter stale;
    private final Counter lost;
    private final Timer publish;
    private final Unregistered activity = new Unregistered();
    private final List<Meter> gauges = new ArrayList<>();

    OfMicrometer(MeterRegistry registry, String relay, String destination) {
      this.registry = registry;
      this.relay = relay;
      this.destination = destination;
      this.quiet = new QuietMetrics(LOG, "relay '" + relay + "'");
      this.delivered = counter("delivered", "Messages that were delivered and taken away");
      this.failed = counter("failed", "Attempts that failed and may succeed later");
      this.rejected = counter("rejected", "Messages that will never succeed");
      this.dead = counter("dead", "Messages that became dead letters");
      this.parked = counter("parked", "Times that a key was parked");
      this.stale =
          counter("stale", "Messages here or on their way when the relay found itself given up");
      this.lost = counter("relay.lost", "Times that the relay found itself given up by others");
      this.publish =
          Timer.builder(PREFIX + "publish")
              .description("Time that calls of the publisher took")
              .tag("destination", destination)
              .register(registry);
    }

    private Counter counter(String name, String description) {
      return Counter.builder(PREFIX + name)
          .description(description)
          .tag("destination", destination)
          .register(registry);
    }

    @Override
    public void watch(RelayWindow window) {
      gauge("lanes", window, RelayWindow::lanes, "Lanes that this relay has, of 32");
      gauge("buffered", window, RelayWindow::here, "Messages in this process");
      gauges.add(
          FunctionCounter.builder(PREFIX + "handed", window.handOvers(), HandOvers::count)
              .description("Messages of this process that needed no look")
              .tag("destination", destination)
              .tag("relay", relay)
              .register(registry));
      gauge("calls", window, RelayWindow::running, "Calls of the publisher that are under way");
      gauge("held.keys", window, RelayWindow::heldKeys, "Keys of these lanes that are held");
      gauge(
          "paused",
          window,
          of -> of.isPaused() ? 1 : 0,
          "1 while everything fails and the destination is only probed");
    }

    private void gauge(
        String name, RelayWindow window, ToDoubleFunction<RelayWindow> value, String description) {
      gauges.add(
          Gauge.builder(PREFIX + name, window, value)
              .description(description)
              .tag("destination", destination)
              .tag("relay", relay)
              .register(registry));
    }

    @Override
    public void unwatch() {
      gauges.forEach(registry::remove);
      gauges.clear();
    }

    @Override
    public void published(long nanos) {
      quiet.count(() -> publish.record(nanos, TimeUnit.NANOSECONDS));
    }

    @Override
    public OptionalLong lastDelivery() {
      return activity.lastDelivery();
    }

    @Override
    public void delivered(List<LaneMessage> messages) {
      activity.delivered(messages);
      quiet.count(() -> delivered.increment(messages.size()));
    }

    @Override
    public void failed(int messages) {
      quiet.count(() -> failed.increment(messages));
    }

    @Override
    public void rejected(int messages) {
      quiet.count(() -> rejected.increment(messages));
    }

    @Override
    public void dead(int messages) {
      quiet.count(() -> dead.increment(messages));
    }

    @Override
    public void parked() {
      quiet.count(parked::increment);
    }

    @Override
    public void stale(int messages) {
      quiet.count(() -> stale.increment(messages));
    }

    @Override
    public void lost() {
      quiet.count(lost::increment);
    }
  }
}
