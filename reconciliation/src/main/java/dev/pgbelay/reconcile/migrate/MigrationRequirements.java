package dev.pgbelay.reconcile.migrate;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.check.DeclarationReport;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What must hold before a migration goes on; says what to do where it does not. */
record MigrationRequirements(String reference) {
  void clean(DeclarationReport report) {
    if (report.outcome() != DeclarationReport.Outcome.CLEAN) {
      throw new PgBelayException(
          "migration of '%s': the checker ended with %s, %d findings are open%s; repair them, let propagation finish, and run this again"
              .formatted(
                  reference,
                  report.outcome(),
                  report.open(),
                  report.reason().map(each -> " (" + each + ")").orElse("")));
    }
  }

  void accepted(List<String> differences, boolean areAccepted) {
    if (!differences.isEmpty() && !areAccepted) {
      throw new PgBelayException(
          "migration of '%s': key and declaration differ: %s; change one of them, or say acceptDifferences()"
              .formatted(reference, differences));
    }
  }

  void guarded(ShadowGuard.@Nullable Measured measured) {
    if (measured == null) {
      throw new PgBelayException(
          "migration of '%s': nobody has said that every writer of the child is guarded; measure with a ShadowGuard, enforce the guard, and say guardsEnforced(measured)"
              .formatted(reference));
    }
    if (measured.checks() == 0 || measured.committed() > 0 || measured.unknown() > 0) {
      throw new PgBelayException(
          "migration of '%s': the shadow guards do not speak for it: %s; there must be checks, and none refused that the key let commit"
              .formatted(reference, measured));
    }
  }
}
