package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/** Carries one attempt's failure, of whatever type, through the retry. */
final class AttemptFailed extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Throwable failure;
  private final FailureKind kind;
  private final boolean mayRetry;
  private final long budgetMillis;

  AttemptFailed(Throwable failure, FailureKind kind, boolean mayRetry, long budgetMillis) {
    super(null, failure, false, false);
    this.failure = failure;
    this.kind = kind;
    this.mayRetry = mayRetry;
    this.budgetMillis = budgetMillis;
  }

  Throwable failure() {
    return failure;
  }

  FailureKind kind() {
    return kind;
  }

  boolean mayRetry() {
    return mayRetry;
  }

  long budgetMillis() {
    return budgetMillis;
  }

  /** Keeps the failure of the attempt before with this one. */
  void keep(@Nullable AttemptFailed earlier) {
    if (earlier != null) {
      Suppressed.keep(failure, earlier.failure);
    }
  }
}
