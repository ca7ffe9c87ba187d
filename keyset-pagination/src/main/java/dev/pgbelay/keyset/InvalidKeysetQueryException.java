package dev.pgbelay.keyset;

import dev.pgbelay.core.PgBelayException;

/**
 * A {@link KeysetQuery} that cannot keep its promise. Thrown while it is built, or by the fetch
 * that finds out: {@link Reason#KEY_TYPE} by the first page where the server has another type for a
 * key than jOOQ, {@link Reason#NULLS_POSITION} and {@link Reason#DUPLICATE_KEYS} by the page that
 * reads such rows, {@link Reason#DSL_CONTEXT} before any SQL runs.
 */
public final class InvalidKeysetQueryException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** Which rule is broken. */
  public enum Reason {
    /** An option that must be given is missing, or its value is out of range. */
    OPTION,
    /** No order was given, or a key appears twice in it. */
    ORDER,
    /** Nothing says that the order is unique: no declared tie-breaker and no primary key known. */
    ORDER_NOT_UNIQUE,
    /** A key may be NULL and nothing says where its NULLs go. */
    NULLS_POSITION,
    /**
     * A key has a type that a cursor cannot carry exactly, or another on the server than in jOOQ.
     */
    KEY_TYPE,
    /** The select has a form that cannot be paged: its own order, a lock, unknown columns. */
    SELECT,
    /** A {@code DSLContext} that would render another statement than the one that pages run. */
    DSL_CONTEXT,
    /** Two rows with the same keys were read: the declared tie-breaker is not unique. */
    DUPLICATE_KEYS,
    /** A {@link KeysetVerdict} was required to be better than it is. */
    NOT_SERVED
  }

  private final Reason reason;

  InvalidKeysetQueryException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
