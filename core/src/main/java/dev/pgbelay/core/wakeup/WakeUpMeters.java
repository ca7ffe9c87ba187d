package dev.pgbelay.core.wakeup;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;

/** What wake-ups report. */
interface WakeUpMeters {
  WakeUpMeters NONE = new WakeUpMeters() {};

  default void watch(WakeUps wakeUps) {}

  default void sent(int topics) {}

  default void heard() {}

  default void connected() {}

  /** Into a registry. */
  final class OfMicrometer implements WakeUpMeters {
    private static final String PREFIX = "pgbelay.wakeup.";
    private static final String CHANNEL = "channel";

    private final MeterRegistry registry;
    private final String channel;
    private final Counter sent;
    private final Counter heard;
    private final Counter connected;

    OfMicrometer(MeterRegistry registry, String channel) {
      this.registry = registry;
      this.channel = channel;
      this.sent = counter("sent", "Notifications sent");
      this.heard = counter("heard", "Notifications heard, probes left out");
      this.connected = counter("connected", "Times that the listening connection was opened");
    }

    private Counter counter(String name, String description) {
      return Counter.builder(PREFIX + name)
          .description(description)
          .tag(CHANNEL, channel)
          .register(registry);
    }

    @Override
    public void watch(WakeUps wakeUps) {
      Gauge.builder(PREFIX + "healthy", wakeUps, is -> is.isHealthy() ? 1 : 0)
          .description("1 while notifications are known to arrive")
          .tag(CHANNEL, channel)
          .register(registry);
    }

    @Override
    public void sent(int topics) {
      sent.increment(topics);
    }

    @Override
    public void heard() {
      heard.increment();
    }

    @Override
    public void connected() {
      connected.increment();
    }
  }
}
