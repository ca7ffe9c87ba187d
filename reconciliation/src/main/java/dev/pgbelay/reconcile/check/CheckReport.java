package dev.pgbelay.reconcile.check;

import java.time.Duration;
import java.util.List;

/**
 * How a run over all declarations ended.
 *
 * @param version of the declarations
 * @param declarations in their order
 */
public record CheckReport(String version, List<DeclarationReport> declarations, Duration elapsed) {
  public CheckReport {
    declarations = List.copyOf(declarations);
  }

  /** Every declaration was checked to its end, and nothing is wrong. */
  public boolean isClean() {
    return !declarations.isEmpty()
        && declarations.stream()
            .allMatch(each -> each.outcome() == DeclarationReport.Outcome.CLEAN);
  }
}
