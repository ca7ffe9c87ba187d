package dev.pgbelay.batch;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Locale;
import org.slf4j.LoggerFactory;

/** A registry that fails harms no row, and hides no failure. */
final class BatchMeters implements BatchEvents {
  private final MeterRegistry registry;
  private final String name;
  private final QuietMetrics quiet;

  BatchMeters(MeterRegistry registry, String name) {
    this.registry = registry;
    this.name = name;
    this.quiet = new QuietMetrics(LoggerFactory.getLogger(BatchWriter.class), name);
  }

  @Override
  public void written(BatchResult result, Duration time, long statements, long probes) {
    quiet.count(() -> count(result, time, statements, probes));
  }

  private void count(BatchResult result, Duration time, long statements, long probes) {
    String operation = result.operation().tag();
    timer(operation, result.path().tag(), "none").record(time);
    count("pgbelay.batch.statements", operation, "path", result.path().tag(), statements);
    if (probes > 0) {
      count("pgbelay.batch.probes", operation, "path", result.path().tag(), probes);
    }
    long told = 0;
    for (Outcome outcome : Outcome.values()) {
      long rows = result.countOrZero(outcome);
      told += rows;
      if (rows > 0) {
        count(
            "pgbelay.batch.rows",
            operation,
            "outcome",
            outcome.name().toLowerCase(Locale.ROOT),
            rows);
      }
    }
    if (result.written() > 0 && told < result.size()) {
      count("pgbelay.batch.rows", operation, "outcome", "counted", result.written());
    }
  }

  @Override
  public void failed(WritePlan.Operation operation, FailureKind kind, Duration time) {
    quiet.count(() -> count(operation, kind, time));
  }

  private void count(WritePlan.Operation operation, FailureKind kind, Duration time) {
    String tag = kind.name().toLowerCase(Locale.ROOT);
    timer(operation.tag(), "none", tag).record(time);
    if (kind == FailureKind.DEADLOCK || kind == FailureKind.SERIALIZATION_FAILURE) {
      count("pgbelay.batch.collisions", operation.tag(), "kind", tag, 1);
    }
  }

  private Timer timer(String operation, String path, String failure) {
    return Timer.builder("pgbelay.batch.calls")
        .description("Calls of a writer, from the first row to the last outcome")
        .tag("name", name)
        .tag("operation", operation)
        .tag("path", path)
        .tag("failure", failure)
        .register(registry);
  }

  private void count(String meter, String operation, String tag, String value, long by) {
    Counter.builder(meter)
        .tag("name", name)
        .tag("operation", operation)
        .tag(tag, value)
        .register(registry)
        .increment((double) by);
  }
}
