package dev.pgbelay.core.schema;

import dev.pgbelay.core.PgBelayException;
import org.jspecify.annotations.Nullable;

/** Thrown by {@link SafeDdl}; {@link #reason()} says what stands in the database afterwards. */
public final class DdlException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** What went wrong, for callers that branch. */
  public enum Reason {
    /** The text is not a statement that this operation takes. Nothing was sent. */
    INVALID_STATEMENT,
    /** A lock was not had within the attempts allowed. Every attempt was rolled back. */
    LOCK_NOT_ACQUIRED,
    /** The server refused the statement, or the connection was lost; the cause says which. */
    FAILED,
    /** A valid index of that name exists with another definition. It was not touched. */
    OTHER_DEFINITION,
    /**
     * The index's name belongs to another kind of object or to another table. It was not touched.
     */
    NAME_TAKEN
  }

  private final Reason reason;

  DdlException(Reason reason, String message) {
    this(reason, message, null);
  }

  DdlException(Reason reason, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  /** What stands in the database now, for callers that branch. */
  public Reason reason() {
    return reason;
  }
}
