package dev.pgbelay.keyset;

import dev.pgbelay.core.PgBelayException;
import org.jspecify.annotations.Nullable;

/**
 * A cursor that is not answered with rows: thrown before any SQL runs, and never turned into page
 * 1. To a client all reasons are one ("invalid cursor, start again"); the reason is for logs,
 * metrics and tests. The message never repeats the cursor.
 */
public final class InvalidCursorException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** Why a cursor was refused, in the order in which the checks are made. */
  public enum Reason {
    /** Longer than the codec reads. */
    OVER_LONG,
    /** Not a cursor at all, or cut short. */
    MALFORMED,
    /** Made by a release with another format. */
    WRONG_VERSION,
    /** Signed with a key that is not on the ring any more. */
    UNKNOWN_KEY,
    /** Changed, cut or forged. */
    BAD_SIGNATURE,
    /** Genuine, but its time is over. */
    EXPIRED,
    /** Genuine, but made by another query or another order. */
    OTHER_QUERY,
    /** Genuine, but made in another scope (tenant, principal). */
    OTHER_SCOPE,
    /** Genuine, but made with other filter values. */
    OTHER_FILTERS
  }

  private final Reason reason;

  InvalidCursorException(Reason reason, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
