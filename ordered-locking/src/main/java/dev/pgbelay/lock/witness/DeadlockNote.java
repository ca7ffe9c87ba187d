package dev.pgbelay.lock.witness;

/** Carries a report on an exception that cannot be replaced. */
final class DeadlockNote extends Exception {
  private static final long serialVersionUID = 1L;

  private final transient DeadlockReport report;

  DeadlockNote(DeadlockReport report) {
    super(report.toString(), null, false, false);
    this.report = report;
  }

  DeadlockReport report() {
    return report;
  }
}
