package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;

/** What a permit is told where a publisher answered that a message was not delivered. */
final class DeliveryFailedException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  DeliveryFailedException(String reason) {
    super("not delivered: " + reason);
  }
}
