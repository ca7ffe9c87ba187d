package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;

/**
 * A payload is not what its codec reads: another version's, another type's, or broken. The message
 * says which one it is and the kind of failure, and nothing of the payload.
 */
public final class UnreadablePayloadException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  UnreadablePayloadException(Message message, Throwable failure) {
    super(
        "payload cannot be read: message "
            + message.sequence()
            + " of topic '"
            + message.topic()
            + "'"
            + message.type().map(type -> ", type '" + type + "'").orElse("")
            + " ("
            + failure.getClass().getName()
            + ")");
  }
}
