package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/**
 * Rides along, suppressed, on a failure of the caller's work: it says at 2 AM which path and which
 * attempt it was, and keeps the verdict that only the transaction could reach.
 */
final class FailureNote extends Throwable {
  private static final long serialVersionUID = 1L;

  private final FailureKind kind;

  FailureNote(String path, int attempt, FailureKind kind) {
    this("path '" + path + "', attempt " + attempt + ": " + kind + ", " + kind.fate(), null, kind);
  }

  /** Of a stretch of a transaction that had a time of its own. */
  FailureNote(String path, FailureKind kind) {
    this("path '" + path + "', within a time of its own: " + kind, null, kind);
  }

  private FailureNote(String message, @Nullable Throwable cause, FailureKind kind) {
    super(message, cause, false, false);
    this.kind = kind;
  }

  FailureKind kind() {
    return kind;
  }
}
