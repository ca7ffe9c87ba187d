package dev.pgbelay.reconcile.check;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * How the run of one declaration ended. Counts are of the whole run, over all processes that took
 * part in it.
 *
 * @param rowsChecked rows for which the declaration says something
 * @param rowsSkipped rows that were read and for which it says nothing: those that refer to nothing
 * @param candidates that the scan saw
 * @param notKept those of them that were counted and not kept, being too many
 * @param confirmed of this run, newly
 * @param resolved findings that were not there any more
 * @param unsettled candidates that are neither confirmed nor gone
 * @param open findings that are confirmed and not closed, of all runs
 * @param elapsed within this process
 * @param reason why it is not whole
 * @param blockers that were waited for in vain
 */
public record DeclarationReport(
    String declaration,
    Outcome outcome,
    long rowsChecked,
    long rowsSkipped,
    long candidates,
    long notKept,
    long confirmed,
    long resolved,
    long unsettled,
    long open,
    Duration elapsed,
    Optional<String> reason,
    List<Blocker> blockers) {
  /** From well to bad. */
  public enum Outcome {
    /** Every row was looked at, and nothing is wrong. */
    CLEAN,
    /** Another checker is at it; nothing was done here. */
    HELD_ELSEWHERE,
    /** Nothing follows about what was not reached, or not settled. */
    INCOMPLETE,
    /** Every row was looked at, and something is wrong. */
    FINDINGS
  }

  public DeclarationReport {
    blockers = List.copyOf(blockers);
  }
}
