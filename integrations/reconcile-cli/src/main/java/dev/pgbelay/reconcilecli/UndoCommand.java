package dev.pgbelay.reconcilecli;

import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.reconcile.repair.UndoLog.Undone;
import dev.pgbelay.reconcile.report.ReportJson;
import dev.pgbelay.reconcile.report.ReportText;
import dev.pgbelay.reconcile.report.Verdict;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
    name = "undo",
    mixinStandardHelpOptions = true,
    description = "Puts back what a repair, or the propagation of a delete, has changed.")
final class UndoCommand extends DatabaseCommand {
  @Parameters(paramLabel = "BATCH", description = "As repair told it.")
  private @Nullable UUID batch;

  @Override
  Verdict work(Given given) {
    UUID asked = java.util.Objects.requireNonNull(batch);
    Undone undone = UndoLog.inSchema(given.transactions(), schema).undo(asked);
    if (undone.restored() == 0 && undone.conflicts().isEmpty()) {
      throw new Refusal(
          "nothing of batch " + asked + " is left to put back: it was put back, or never was");
    }
    tell(() -> ReportText.of(undone), () -> ReportJson.of(undone));
    return undone.conflicts().isEmpty() ? Verdict.CLEAN : Verdict.FINDINGS;
  }
}
