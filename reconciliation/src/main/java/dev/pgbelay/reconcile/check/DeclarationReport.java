package dev.pgbelay.reconcile.check;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * How the run of one declaration ended. Counts are of the whole run, over all processes that took
 * part in it.
 *
 * @param mode whether it is about every row
 * @param whyFull why it is, where incremental runs are asked for; empty where none are, and in an
 *     incremental run
 * @param lastFullScan when the last run began that has looked at every row, by the database's
 *     clock; empty where there was none under this version of the declarations
 * @param rowsInScope what there is to look at: what was read, or the planner's estimate where that
 *     is less; 0 where it is not known
 * @param rowsNotReached those of them that were not looked at, since the time or the rows of the
 *     run were over, a range took too long, or it was interrupted
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
    Mode mode,
    Optional<String> whyFull,
    Optional<Instant> lastFullScan,
    long rowsInScope,
    long rowsNotReached,
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
  /** What a run is about. */
  public enum Mode {
    /** Every row. */
    FULL,
    /**
     * Rows that were written since the last run, children of parents that were deleted since, and
     * findings that are open.
     */
    INCREMENTAL
  }

  /** From well to bad. */
  public enum Outcome {
    /** Every row that the run is about was looked at, and nothing is known to be wrong. */
    CLEAN,
    /** Another checker is at it; nothing was done here. */
    HELD_ELSEWHERE,
    /** Nothing follows about what was not reached, or not settled. */
    INCOMPLETE,
    /** Every row that the run is about was looked at, and something is wrong. */
    FINDINGS
  }

  public DeclarationReport {
    blockers = List.copyOf(blockers);
  }
}
