package dev.pgbelay.outbox.handler;

import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.Message;

/** Code that handles messages in a transaction, which may run it several times. */
@FunctionalInterface
public interface TransactionalHandler {
  /**
   * Handles one message. What it writes through the transaction is committed with the inbox's mark
   * of the message, or not at all.
   *
   * @throws RejectedMessageException if it can never be handled as it is
   * @throws InterruptedException if the relay is being stopped
   * @throws Exception if it failed, and may be handled another time
   */
  void handle(Tx tx, Message message) throws Exception;
}
