package dev.pgbelay.reconcile.report;

import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.DeclarationReport.Outcome;
import dev.pgbelay.reconcile.internal.Given;

/** What a report comes to, in a word and as the exit code of a process. */
public enum Verdict {
  /** Everything was looked at, and nothing is wrong. */
  CLEAN(0),
  /** Something is wrong, whether or not everything was looked at. */
  FINDINGS(1),
  /** Nothing is known to be wrong, and not everything was looked at or settled. */
  INCOMPLETE(2),
  /** It could not be tried at all. */
  FAILED(3);

  private final int exitCode;

  Verdict(int exitCode) {
    this.exitCode = exitCode;
  }

  /** 0 to 3. */
  public int exitCode() {
    return exitCode;
  }

  /** Open findings are findings, also those of a declaration whose run is incomplete. */
  public static Verdict of(CheckReport report) {
    Given.required("the report", report);
    boolean findings =
        report.declarations().stream()
            .anyMatch(each -> each.outcome() == Outcome.FINDINGS || each.open() > 0);
    return findings ? FINDINGS : report.isClean() ? CLEAN : INCOMPLETE;
  }

  /** Columns about which somebody has to decide are findings. */
  public static Verdict of(CoverageReport report) {
    Given.required("the report", report);
    return report.open().isEmpty() ? CLEAN : FINDINGS;
  }
}
