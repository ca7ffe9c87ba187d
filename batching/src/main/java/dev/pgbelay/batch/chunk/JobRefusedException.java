package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.PgBelayException;

/** A job that must not run as it is defined; nothing was changed. The message says what to do. */
public final class JobRefusedException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** Which rule was broken. */
  public enum Reason {
    /** No index walks the key; the message has the DDL. */
    NO_INDEX,
    /** The key columns are not unique together; the message has the DDL. */
    KEY_NOT_UNIQUE,
    /** A key column may be NULL. */
    KEY_NULLABLE,
    /** The work changes a column that it walks by. */
    KEY_CHANGED_BY_WORK,
    /** The work inserts into the table that it walks. */
    WALKS_ITS_OWN_ROWS,
    /** The table or a key column does not exist, or is not visible. */
    NOT_FOUND,
    /** The name belongs to a job that does something else. */
    OTHER_DEFINITION,
    /** A foreign key refers to what a cascade deletes, from a table that it was not told of. */
    UNDECLARED_CHILDREN,
    /** A cascade would empty a table before one that refers to it. */
    WRONG_ORDER,
    /** Tables of a cascade refer to themselves or in a circle, and the server would follow that. */
    CIRCULAR_REFERENCE,
    /**
     * Several rows have the key of a cascade's parent. Where another came while children were being
     * deleted, those are gone; the rows themselves stay.
     */
    PARENT_NOT_UNIQUE,
    /** More rows would go than was allowed without a confirmation. */
    NOT_CONFIRMED
  }

  private final Reason reason;

  JobRefusedException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
