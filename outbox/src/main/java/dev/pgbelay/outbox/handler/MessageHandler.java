package dev.pgbelay.outbox.handler;

import dev.pgbelay.outbox.Message;

/** Code that handles messages; called by several threads at once, never with one key on two. */
@FunctionalInterface
public interface MessageHandler {
  /**
   * Handles one message; the next one of its key comes once this has returned.
   *
   * @throws RejectedMessageException if it can never be handled as it is
   * @throws InterruptedException if the relay is being stopped
   * @throws Exception if it failed, and may be handled another time
   */
  void handle(Message message) throws Exception;
}
