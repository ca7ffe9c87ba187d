package dev.pgbelay.outbox;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;

/** A lane is not this relay's any more. Nothing was changed. */
final class ClaimLostException extends TransactionException {
  private static final long serialVersionUID = 1L;

  ClaimLostException(String destination) {
    super(
        FailureKind.OTHER,
        "lanes of destination '"
            + destination
            + "' are not this relay's any more: it was not heard of for longer than its lease."
            + " Nothing was written; the relay goes on under a new claim. If the process was not"
            + " stopped, make the lease longer than its longest pause",
        null);
  }
}
