package dev.pgbelay.outbox.handler;

import dev.pgbelay.core.PgBelayException;
import org.jspecify.annotations.Nullable;

/** Thrown by a handler: the message can never be handled as it is, so no attempt more is made. */
public class RejectedMessageException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /**
   * Says why.
   *
   * @param message stored with the message and logged
   */
  public RejectedMessageException(String message) {
    super(message);
  }

  public RejectedMessageException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
