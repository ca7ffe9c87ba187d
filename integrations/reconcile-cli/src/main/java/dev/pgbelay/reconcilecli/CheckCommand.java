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
import java.util.Optional;
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
      names = "--max-rows",
      paramLabel = "ROWS",
      description = "How many rows of each may be read; the next check goes on behind them.")
  private @Nullable Long maxRows;

  @Option(
      names = "--confirm-within",
      paramLabel = "DURATION",
      description = "How long to wait for transactions that may mend what was seen, such as PT5M.")
  private @Nullable Duration confirmWithin;

  @Option(names = "--max-rows-per-second", paramLabel = "ROWS", description = "At most so many.")
  private @Nullable Long maxRowsPerSecond;

  @Option(
      names = "--max-candidates",
      paramLabel = "COUNT",
      description =
          "How many candidates of each are kept, 10,000 unless given; more make it incomplete.")
  private @Nullable Long maxCandidates;

  @Option(
      names = "--incremental",
      paramLabel = "DURATION",
      description =
          "Look only at what has changed since the last check, and at every row as often as this, such as P1D.")
  private @Nullable Duration incremental;

  @Option(
      names = "--overlap",
      paramLabel = "DURATION",
      description = "How far an incremental check reaches back; PT1M unless given.")
  private @Nullable Duration overlap;

  @Option(
      names = "--scan-on-replica",
      description =
          "Look at rows on the replica of PGBELAY_REPLICA_JDBC_URL; what is found is confirmed on the primary.")
  private boolean onReplica;

  @Override
  Verdict work(Given given) {
    if (!onReplica) {
      return check(given, options(given));
    }
    try (Database replica = Database.openReplica(System.getenv())) {
      return check(given, options(given).scanOn(replica.dataSource()));
    }
  }

  private Checker.Builder options(Given given) {
    Checker.Builder options =
        Checker.builder(given.transactions(), given.declarations()).schema(schema);
    Optional.ofNullable(scanWithin).ifPresent(options::scanWithin);
    Optional.ofNullable(maxRows).ifPresent(options::maxRows);
    Optional.ofNullable(maxRowsPerSecond).ifPresent(options::maxRowsPerSecond);
    Optional.ofNullable(maxCandidates).ifPresent(options::maxCandidates);
    Optional.ofNullable(confirmWithin).ifPresent(options::confirmWithin);
    Optional.ofNullable(incremental).ifPresent(options::incremental);
    Optional.ofNullable(overlap).ifPresent(options::overlap);
    return options;
  }

  private Verdict check(Given given, Checker.Builder options) {
    Checker checker = Refusal.ofArguments(options::build);
    List<Declaration> chosen = given.chosen(names);
    CoverageReport coverage = CoverageCommand.read(given, schema, List.of());
    CheckReport report = names.isEmpty() ? checker.run() : check(given, checker, chosen);
    tell(
        () -> ReportText.of(report) + "\n" + ReportText.of(coverage),
        () -> ReportJson.of(report, coverage));
    return Verdict.of(report);
  }

  private static CheckReport check(Given given, Checker checker, List<Declaration> chosen) {
    long began = System.nanoTime();
    List<DeclarationReport> reports = new ArrayList<>();
    for (Declaration each : chosen) {
      reports.add(checker.run(each.name()));
    }
    return new CheckReport(
        given.declarations().version(), reports, Duration.ofNanos(System.nanoTime() - began));
  }
}
