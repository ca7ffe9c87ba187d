package dev.pgbelay.routing;

/** The connection turned out to lead to something else than what was chosen; nothing was run. */
final class NotFitException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final long untilNanos;

  /**
   * @param untilNanos what the node says after that settles it
   */
  NotFitException(String message, long untilNanos) {
    super(message, null, false, false);
    this.untilNanos = untilNanos;
  }

  long untilNanos() {
    return untilNanos;
  }
}
