package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/**
 * The root of every exception that pgbelay throws by itself. Exceptions of the caller's own work,
 * of jOOQ and of the driver pass through as they are, so that their SQLSTATE stays within reach.
 *
 * <p>Its own fields and those of its subclasses never change, so that any thread may read them.
 */
public class PgBelayException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public PgBelayException(String message) {
    super(message);
  }

  public PgBelayException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
