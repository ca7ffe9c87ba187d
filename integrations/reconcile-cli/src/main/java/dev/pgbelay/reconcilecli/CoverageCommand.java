package dev.pgbelay.reconcilecli;

import dev.pgbelay.reconcile.report.Coverage;
import dev.pgbelay.reconcile.report.CoverageReport;
import dev.pgbelay.reconcile.report.ReportJson;
import dev.pgbelay.reconcile.report.ReportText;
import dev.pgbelay.reconcile.report.Verdict;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "coverage",
    mixinStandardHelpOptions = true,
    description = "Lists columns that look like foreign keys, and what keeps them.")
final class CoverageCommand extends DatabaseCommand {
  @Option(
      names = "--in-schema",
      paramLabel = "NAME",
      description = "Only tables of this schema; may be repeated.")
  private List<String> schemas = new ArrayList<>();

  @Override
  Verdict work(Given given) {
    CoverageReport report = read(given, schema, schemas);
    tell(() -> ReportText.of(report), () -> ReportJson.of(report));
    return Verdict.of(report);
  }

  static CoverageReport read(Given given, String own, List<String> schemas) {
    Coverage.Builder options =
        Coverage.builder(given.transactions(), given.declarations())
            .schema(own)
            .schemas(schemas.toArray(String[]::new));
    given.source().exclusions().forEach(options::exclude);
    return options.build().read();
  }
}
