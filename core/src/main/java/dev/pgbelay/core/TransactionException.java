package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/**
 * A transaction could not be begun, went past its deadline, broke a rule of {@link Transactions},
 * or failed at its end. {@link #kind()} says which and {@link FailureKind#fate()} what that means
 * for the data. Failures of the work's own statements are not wrapped: they arrive as jOOQ or the
 * driver threw them.
 */
public class TransactionException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final FailureKind kind;

  public TransactionException(FailureKind kind, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  /** What it means; the same that {@link Failures#classify} gives for it. */
  public FailureKind kind() {
    return kind;
  }
}
