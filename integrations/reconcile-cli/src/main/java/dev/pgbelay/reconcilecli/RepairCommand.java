package dev.pgbelay.reconcilecli;

import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.report.ReportJson;
import dev.pgbelay.reconcile.report.ReportText;
import dev.pgbelay.reconcile.report.Verdict;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "repair",
    mixinStandardHelpOptions = true,
    description =
        "Repairs confirmed findings by the policies of the DeclarationsSource, or says what that would do.")
final class RepairCommand extends DatabaseCommand {
  @ArgGroup(multiplicity = "1")
  private Mode mode = new Mode();

  /** One of the two is given. */
  static final class Mode {
    @Option(names = "--dry-run", description = "Count and show samples; change nothing.")
    boolean dryRun;

    @Option(names = "--apply", description = "Repair; the batch to undo it by is told.")
    boolean apply;
  }

  @Option(
      names = "--ceiling",
      paramLabel = "COUNT",
      description =
          "With more open findings of a declaration none of them is repaired; 100 unless given.")
  private @Nullable Long ceiling;

  @Override
  Verdict work(Given given) {
    Repairs.Builder options =
        Repairs.builder(given.transactions(), given.declarations()).schema(schema);
    given.source().policies().forEach(options::policy);
    if (ceiling != null) {
      options.ceiling(ceiling);
    }
    Repairs repairs = Refusal.ofArguments(options::build);
    RepairReport report = mode.dryRun ? repairs.dryRun() : repairs.run();
    tell(() -> ReportText.of(report), () -> ReportJson.of(report));
    boolean left =
        report.declarations().stream()
            .anyMatch(
                each ->
                    report.dryRun()
                        ? each.open() > 0
                        : each.failed() > 0 || each.open() > each.repaired() + each.gone());
    return left ? Verdict.FINDINGS : Verdict.CLEAN;
  }
}
