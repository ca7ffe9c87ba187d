package dev.pgbelay.core;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.LoggerFactory;

/** A registry that fails must not make a committed transaction look like a failed one. */
final class TransactionMeters implements TransactionEvents {
  private final MeterRegistry registry;
  private final String name;
  private final QuietMetrics quiet;
  private final Map<String, Timer> committed = new ConcurrentHashMap<>();

  TransactionMeters(MeterRegistry registry, String name) {
    this.registry = registry;
    this.name = name;
    this.quiet = new QuietMetrics(LoggerFactory.getLogger(Transactions.class), name);
  }

  @Override
  public void committed(String path, Duration time) {
    quiet.count(
        () ->
            committed.computeIfAbsent(path, each -> timer(each, "committed", "none")).record(time));
  }

  @Override
  public void failed(String path, FailureKind kind, Duration time) {
    quiet.count(() -> timer(path, lower(kind.fate()), lower(kind)).record(time));
  }

  @Override
  public void retried(String path, FailureKind kind) {
    count("pgbelay.core.retries", "kind", lower(kind), path);
  }

  @Override
  public void bulkheadRefused(String path) {
    count("pgbelay.core.bulkhead.refusals", "cause", "full", path);
  }

  @Override
  public void hookFailed(String path) {
    count("pgbelay.core.hook.failures", "cause", "exception", path);
  }

  private Timer timer(String path, String outcome, String kind) {
    return Timer.builder("pgbelay.core.transactions")
        .description("Whole transactions, from asking for a connection to the end, per attempt")
        .tag("name", name)
        .tag("path", path)
        .tag("outcome", outcome)
        .tag("kind", kind)
        .register(registry);
  }

  private void count(String meter, String tag, String value, String path) {
    quiet.count(
        () ->
            Counter.builder(meter)
                .tag("name", name)
                .tag("path", path)
                .tag(tag, value)
                .register(registry)
                .increment());
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
