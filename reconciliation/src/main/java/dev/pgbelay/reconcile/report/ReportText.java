package dev.pgbelay.reconcile.report;

import dev.pgbelay.reconcile.check.Blocker;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.UndoLog.Undone;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * Reports for people: lines of plain text, which may get other words with any version; programs
 * read {@link ReportJson}. Findings show data of the tables. Has no state.
 */
public final class ReportText {
  private ReportText() {}

  public static String of(CheckReport report) {
    Given.required("the report", report);
    StringJoiner lines = new StringJoiner("\n");
    lines.add(
        "%s: declarations of version %s, %.1f s"
            .formatted(Verdict.of(report), report.version(), report.elapsed().toMillis() / 1e3));
    for (DeclarationReport each : report.declarations()) {
      lines.add(
          "  %-13s %s, %s: %d rows checked, %d skipped, %d not reached, %d candidates, %d confirmed now, %d open, %d resolved, %d unsettled, %.1f s"
              .formatted(
                  each.outcome(),
                  each.declaration(),
                  each.mode().name().toLowerCase(Locale.ROOT),
                  each.rowsChecked(),
                  each.rowsSkipped(),
                  each.rowsNotReached(),
                  each.candidates(),
                  each.confirmed(),
                  each.open(),
                  each.resolved(),
                  each.unsettled(),
                  each.elapsed().toMillis() / 1e3));
      each.whyFull().ifPresent(why -> lines.add("                every row, since " + why));
      each.reason().ifPresent(reason -> lines.add("                " + reason));
      for (Blocker blocker : each.blockers()) {
        lines.add("                waited for " + blocker);
      }
    }
    return lines.toString();
  }

  public static String of(CoverageReport report) {
    Given.required("the report", report);
    StringJoiner lines = new StringJoiner("\n");
    lines.add(
        "%s: %d columns: %d declared, %d with a foreign key, %d excluded; %d with a foreign key that is NOT VALID, %d with nothing"
            .formatted(
                Verdict.of(report),
                report.columns().size(),
                report.count(CoverageReport.State.DECLARED),
                report.count(CoverageReport.State.FOREIGN_KEY),
                report.count(CoverageReport.State.EXCLUDED),
                report.count(CoverageReport.State.NOT_VALIDATED),
                report.count(CoverageReport.State.UNDECLARED)));
    for (CoverageReport.Column each : report.columns()) {
      lines.add(
          "  %-13s %s %s%s"
              .formatted(
                  each.state(),
                  each.name(),
                  each.type(),
                  each.by().map(by -> " (" + by + ")").orElse("")));
    }
    for (String each : report.unusedExclusions()) {
      lines.add("  no such column that would need it: exclusion of " + each);
    }
    return lines.toString();
  }

  /** Findings with their evidence, which is data of the tables. */
  public static String of(List<Finding> findings) {
    Given.required("the findings", findings);
    StringJoiner lines = new StringJoiner("\n");
    lines.add(findings.size() + " findings");
    for (Finding each : findings) {
      lines.add("  " + line(each));
    }
    return lines.toString();
  }

  public static String of(RepairReport report) {
    Given.required("the report", report);
    StringJoiner lines = new StringJoiner("\n");
    lines.add(report.dryRun() ? "nothing was changed" : "batch " + report.batch());
    for (RepairReport.OfDeclaration each : report.declarations()) {
      lines.add(
          "  %s %s by %s: %d open, %d %s, %d in order already, %d failed"
              .formatted(
                  each.outcome(),
                  each.declaration(),
                  each.action(),
                  each.open(),
                  each.repaired(),
                  report.dryRun() ? "of the samples would be repaired" : "repaired",
                  each.gone(),
                  each.failed()));
      each.failures().forEach(failure -> lines.add("    " + failure));
      each.samples().forEach(sample -> lines.add("    " + line(sample)));
    }
    return lines.toString();
  }

  public static String of(Undone undone) {
    Given.required("the undo", undone);
    StringJoiner lines = new StringJoiner("\n");
    lines.add(
        "%d rows put back, %d left alone".formatted(undone.restored(), undone.conflicts().size()));
    undone.conflicts().forEach(conflict -> lines.add("  " + conflict));
    return lines.toString();
  }

  private static String line(Finding finding) {
    return "%d %s %s %s %s, seen %s to %s%s"
        .formatted(
            finding.id(),
            finding.declaration(),
            finding.rowKey().data(),
            finding.state().name().toLowerCase(Locale.ROOT),
            finding.evidence().data(),
            finding.firstSeen(),
            finding.lastSeen(),
            finding.reopened() == 0 ? "" : ", came back " + finding.reopened() + " times");
  }
}
