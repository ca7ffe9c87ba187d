package dev.pgbelay.core.schema;

import dev.pgbelay.core.PgBelayException;
import org.jspecify.annotations.Nullable;

/** Thrown by {@link SchemaInstaller}; {@link #reason()} says which rule was broken. */
public final class SchemaException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** What went wrong, for callers that branch. */
  public enum Reason {
    /**
     * No script index on the class path: the module's jar is missing or was repackaged without it.
     */
    MODULE_NOT_FOUND,
    /**
     * The module's script index or a script in the jar is malformed. Nothing was sent to the
     * server.
     */
    BROKEN_SCRIPTS,
    /** The database lacks scripts that this version of the module needs. */
    NOT_INSTALLED,
    /** A script recorded in the database differs from the one of the same number in the jar. */
    CHANGED_SCRIPT,
    /** The database's history lacks a number below one that it has. */
    HISTORY_GAP,
    /** The server refused a script. It was rolled back and is not recorded. */
    SCRIPT_FAILED,
    /** A lock was not had within the attempts allowed. Nothing of the script remains. */
    LOCK_NOT_ACQUIRED,
    /** The history could not be read or written, or no connection was had; the cause says why. */
    DATABASE_ERROR
  }

  private final Reason reason;

  SchemaException(Reason reason, String message) {
    this(reason, message, null);
  }

  SchemaException(Reason reason, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  /** Which rule was broken, for callers that branch. */
  public Reason reason() {
    return reason;
  }
}
