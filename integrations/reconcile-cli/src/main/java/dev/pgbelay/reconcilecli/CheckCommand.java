package dev.pgbelay.reconcilecli;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.report.CoverageReport;
import dev.pgbelay.reconcile.report.ReportJson;
import dev.pgbelay.reconcile.report.ReportText;
import dev.pgbelay.reconcile.report.Verdict;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "check",
    mixinStandardHelpOptions = true,
    description =
        "Checks the declarations, and lists what covers columns that look like foreign keys."
            + " Columns without anything do not change the exit code; see coverage.")
final class CheckCommand extends DatabaseCommand {
  @Option(
      names = "--declaration",
      paramLabel = "NAME",
      description = "Only this one; may be repeated.")
  private List<String> names = new ArrayList<>();

  @Option(
      names = "--scan-within",
      paramLabel = "DURATION",
      description =
          "How long the scan of each may take, such as PT1H; the next check goes on behind it.")
  private @Nullable Duration scanWithin;

  @Option(
      names = "--confirm-within",
      paramLabel = "DURATION",
      description = "How long to wait for transactions that may mend what was seen, such as PT5M.")
  private @Nullable Duration confirmWithin;

  @Option(names = "--max-rows-per-second", paramLabel = "ROWS", description = "At most so many.")
  private @Nullable Long maxRowsPerSecond;

  @Override
  Verdict work(Given given) {
    CoverageReport coverage = CoverageCommand.read(given, schema, List.of());
    CheckReport report = check(given);
    tell(
        () -> ReportText.of(report) + "\n" + ReportText.of(coverage),
        () -> ReportJson.of(report, coverage));
    return Verdict.of(report);
  }

  private CheckReport check(Given given) {
    Checker.Builder options =
        Checker.builder(given.transactions(), given.declarations()).schema(schema);
    if (scanWithin != null) {
      options.scanWithin(scanWithin);
    }
    if (confirmWithin != null) {
      options.confirmWithin(confirmWithin);
    }
    if (maxRowsPerSecond != null) {
      options.maxRowsPerSecond(maxRowsPerSecond);
    }
    Checker checker = options.build();
    if (names.isEmpty()) {
      return checker.run();
    }
    long began = System.nanoTime();
    List<DeclarationReport> reports = new ArrayList<>();
    for (Declaration each : given.chosen(names)) {
      reports.add(checker.run(each.name()));
    }
    return new CheckReport(
        given.declarations().version(), reports, Duration.ofNanos(System.nanoTime() - began));
  }
}
