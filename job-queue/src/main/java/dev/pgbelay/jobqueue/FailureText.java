package dev.pgbelay.jobqueue;

import org.jspecify.annotations.Nullable;

/** What is kept of an exception with its job. */
final class FailureText {
  private FailureText() {}

  /** The row of the job holds its payload; what an exception says of it may stand beside it. */
  static String of(Throwable failure) {
    @Nullable String message;
    try {
      message = failure.getMessage();
    } catch (Throwable e) {
      message = "its message cannot be read, for " + e.getClass().getName();
    }
    return failure.getClass().getName() + (message == null ? "" : ": " + message);
  }
}
