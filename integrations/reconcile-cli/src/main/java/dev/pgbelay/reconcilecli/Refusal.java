package dev.pgbelay.reconcilecli;

/** The command cannot be run as it was given; the message says why, and what to do. */
final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  Refusal(String message) {
    super(message, null, false, false);
  }
}
