package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.IdempotencyKey;

/**
 * Somebody else carries the payment on by now, or it is settled. What was being written under the
 * lost claim has changed nothing.
 */
public final class ClaimLostException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  ClaimLostException(IdempotencyKey key) {
    super(
        "the claim on payment "
            + key
            + " is lost: its lease had ended, or a webhook settled it. What was written under it is"
            + " rolled back; ask under the key again");
  }
}
