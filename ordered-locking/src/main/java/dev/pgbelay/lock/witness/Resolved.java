package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.lock.witness.Wanted.InTable;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a statement does to locks, by its text and by the catalog.
 *
 * @param version of the catalog that was asked
 * @param unknown what may lock and is not seen
 * @param steps what is wanted as a report tells it, without a call site
 * @param locksRows whether others may wait for it
 */
record Resolved(
    Footprint footprint,
    long version,
    List<Wanted> wanted,
    List<String> unknown,
    List<LockStep> steps,
    boolean locksRows) {
  static Resolved of(Footprint footprint, long version, List<Wanted> wanted, List<String> unknown) {
    List<LockStep> steps = new ArrayList<>();
    boolean locksRows = false;
    for (Wanted each : wanted) {
      if (each instanceof InTable inTable) {
        locksRows |= inTable.strength().row() != null || inTable.ownRows();
        steps.add(
            new LockStep(
                inTable.lockClass().name(),
                inTable.strength().words(),
                inTable.cause(),
                footprint.masked(),
                null));
      } else if (each instanceof Wanted.InAdvisory advisory) {
        locksRows = true;
        steps.add(
            new LockStep("advisory", advisory.strength().words(), "", footprint.masked(), null));
      }
    }
    return new Resolved(
        footprint,
        version,
        List.copyOf(wanted),
        List.copyOf(unknown),
        List.copyOf(steps),
        locksRows);
  }

  /** What it may wait for first. */
  LockStep firstWanted(@Nullable CallSite callSite) {
    LockStep first =
        steps.isEmpty() ? new LockStep("unknown", "", "", footprint.masked(), null) : steps.get(0);
    return new LockStep(
        first.lockClass(), first.mode(), first.cause(), first.statement(), callSite);
  }

  /** Whether the statement can lock anything or change what is held. */
  boolean isIdle() {
    return wanted.isEmpty() && unknown.isEmpty();
  }
}
