package dev.pgbelay.core;

/**
 * Rides along, suppressed, on a failure of the caller's work: it says at 2 AM which path and which
 * attempt it was, and keeps the verdict that only the transaction could reach.
 */
final class FailureNote extends Throwable {
  private static final long serialVersionUID = 1L;

  private final FailureKind kind;

  FailureNote(String path, int attempt, FailureKind kind) {
    super(
        "path '" + path + "', attempt " + attempt + ": " + kind + ", " + kind.fate(),
        null,
        false,
        false);
    this.kind = kind;
  }

  FailureKind kind() {
    return kind;
  }
}
