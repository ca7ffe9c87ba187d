package dev.pgbelay.lock;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** What an order reports. */
interface LockMeters {
  LockMeters NONE = new LockMeters() {};

  /** How an acquire ended. */
  enum Outcome {
    ACQUIRED,
    PARTIAL,
    MISSING,
    TIMEOUT,
    NOT_AVAILABLE,
    FAILED,
    /** Told by its own counter. */
    REFUSED
  }

  default void ended(Outcome outcome, long nanos) {}

  default void locked(String lockClass, int count) {}

  default void refused(LockRefusedException.Reason reason) {}

  default void nameShared(String lockClass) {}

  /** Into a registry. */
  final class OfMicrometer implements LockMeters {
    private static final String PREFIX = "pgbelay.lock.";
    private final MeterRegistry registry;
    private final String order;

    OfMicrometer(MeterRegistry registry, String order) {
      this.registry = registry;
      this.order = order;
    }

    private static String word(Enum<?> value) {
      return value.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public void ended(Outcome outcome, long nanos) {
      Timer.builder(PREFIX + "acquire")
          .description("Acquires that were sent to the server, waiting included")
          .tag("order", order)
          .tag("outcome", word(outcome))
          .register(registry)
          .record(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void locked(String lockClass, int count) {
      counter("locked", "Rows and names that were locked", "class", lockClass)
          .increment((double) count);
    }

    @Override
    public void refused(LockRefusedException.Reason reason) {
      counter("refused", "Acquires that broke a rule", "reason", word(reason)).increment();
    }

    @Override
    public void nameShared(String lockClass) {
      counter("names.shared", "Names locked under a key that is another name's", "class", lockClass)
          .increment();
    }

    private Counter counter(String name, String description, String tag, String value) {
      return Counter.builder(PREFIX + name)
          .description(description)
          .tag("order", order)
          .tag(tag, value)
          .register(registry);
    }
  }
}
