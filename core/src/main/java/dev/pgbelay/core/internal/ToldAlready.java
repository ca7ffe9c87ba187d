package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;

/**
 * A failure of a background loop's pass that the loop's owner has put into the log. The loop counts
 * it like any other, and says nothing of it above the level of debugging.
 */
public final class ToldAlready extends PgBelayException {
  private static final long serialVersionUID = 1L;

  public ToldAlready(String message, Throwable cause) {
    super(message, cause);
  }
}
