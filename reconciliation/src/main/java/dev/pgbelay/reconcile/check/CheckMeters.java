package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.internal.QuietMetrics;
import dev.pgbelay.reconcile.check.RunSql.Run;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Locale;
import org.slf4j.LoggerFactory;

/** What checkers of this process did. The only class of this package that needs Micrometer. */
final class CheckMeters {
  private static final String PREFIX = "pgbelay.reconcile.";

  private final MeterRegistry registry;
  private final QuietMetrics quiet =
      new QuietMetrics(LoggerFactory.getLogger(Checker.class), "checkers");

  CheckMeters(MeterRegistry registry) {
    this.registry = registry;
  }

  /**
   * A call has ended. A run that several calls work on is counted by each of them, its rows only by
   * the one that has looked at them.
   *
   * @param before the run as the call found it
   */
  void ended(DeclarationReport report, Run before) {
    quiet.count(
        () -> {
          Timer.builder(PREFIX + "runs")
              .description("Calls that checked a declaration, to its end or not")
              .tag("declaration", report.declaration())
              .tag("mode", report.mode().name().toLowerCase(Locale.ROOT))
              .tag("outcome", report.outcome().name().toLowerCase(Locale.ROOT))
              .register(registry)
              .record(report.elapsed());
          if (report.outcome() == DeclarationReport.Outcome.HELD_ELSEWHERE) {
            return;
          }
          String name = report.declaration();
          count("rows", "Rows that were checked", name, report.rowsChecked() - before.checked());
          count(
              "candidates",
              "What the first look saw",
              name,
              report.candidates() - before.candidates());
          count(
              "confirmed",
              "What was confirmed by the second look",
              name,
              report.confirmed() - before.confirmed());
          count(
              "resolved",
              "Findings that were not there any more",
              name,
              report.resolved() - before.resolved());
        });
  }

  private void count(String name, String description, String declaration, long more) {
    Counter.builder(PREFIX + name)
        .description(description)
        .tag("declaration", declaration)
        .register(registry)
        .increment((double) Math.max(0, more));
  }
}
