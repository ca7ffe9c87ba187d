package dev.pgbelay.reconcile.repair;

import dev.pgbelay.reconcile.check.Finding;
import java.util.List;
import java.util.UUID;

/**
 * What a call did, or would do.
 *
 * @param batch what is undone together
 * @param dryRun whether nothing was written
 */
public record RepairReport(UUID batch, boolean dryRun, List<OfDeclaration> declarations) {
  public RepairReport {
    declarations = List.copyOf(declarations);
  }

  /**
   * One declaration.
   *
   * @param open confirmed findings before the call
   * @param repaired by it; in a dry run, those that still are wrong and would be repaired, of the
   *     samples
   * @param gone those that were in order already when their row was locked, or wrong in another way
   *     than was confirmed, which the next check looks at
   * @param failed those whose repair was rolled back
   * @param samples up to ten of the open findings
   * @param failures why, up to ten
   */
  public record OfDeclaration(
      String declaration,
      RepairPolicy.Action action,
      Outcome outcome,
      long open,
      long repaired,
      long gone,
      long failed,
      List<Finding> samples,
      List<String> failures) {
    public OfDeclaration {
      samples = List.copyOf(samples);
      failures = List.copyOf(failures);
    }
  }

  /** How it ended. */
  public enum Outcome {
    /** Every open finding was treated, and none failed. */
    DONE,
    /** Some failed, and stay open. */
    FAILURES,
    /** There were more than the ceiling before it began: nothing was repaired. */
    ABOVE_CEILING,
    /** The ceiling was reached, since more were found meanwhile. */
    CEILING_REACHED,
    /** The policy is to report. */
    REPORTED,
    /** A dry run. */
    PLANNED
  }
}
