package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;
import org.slf4j.LoggerFactory;

/** What repairs of this process did. The only class of this package that needs Micrometer. */
final class RepairMeters {
  private final MeterRegistry registry;
  private final QuietMetrics quiet =
      new QuietMetrics(LoggerFactory.getLogger(Repairs.class), "repairs");

  RepairMeters(MeterRegistry registry) {
    this.registry = registry;
  }

  void ended(RepairReport.OfDeclaration report) {
    quiet.count(
        () -> {
          count(report, "repaired", report.repaired());
          count(report, "gone", report.gone());
          count(report, "failed", report.failed());
        });
  }

  private void count(RepairReport.OfDeclaration report, String outcome, long more) {
    Counter.builder("pgbelay.reconcile.repairs")
        .description("Findings that a repair was tried for")
        .tag("declaration", report.declaration())
        .tag("action", report.action().name().toLowerCase(Locale.ROOT))
        .tag("outcome", outcome)
        .register(registry)
        .increment((double) more);
  }
}
