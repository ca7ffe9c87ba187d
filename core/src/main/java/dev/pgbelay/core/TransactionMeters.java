package dev.pgbelay.core;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

final class TransactionMeters implements TransactionEvents {
  private final MeterRegistry registry;
  private final String name;
  private final Map<String, Timer> committed = new ConcurrentHashMap<>();

  TransactionMeters(MeterRegistry registry, String name) {
    this.registry = registry;
    this.name = name;
  }

  @Override
  public void committed(String path, Duration time) {
    committed.computeIfAbsent(path, each -> timer(each, "committed", "none")).record(time);
  }

  @Override
  public void failed(String path, FailureKind kind, Duration time) {
    timer(path, lower(kind.fate()), lower(kind)).record(time);
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
    Counter.builder(meter)
        .tag("name", name)
        .tag("path", path)
        .tag(tag, value)
        .register(registry)
        .increment();
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
