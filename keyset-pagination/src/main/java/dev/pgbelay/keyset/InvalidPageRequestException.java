package dev.pgbelay.keyset;

import dev.pgbelay.core.PgBelayException;

/** A page that cannot be asked for. Thrown before any SQL runs. */
public final class InvalidPageRequestException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** Which part of the request is wrong. */
  public enum Reason {
    /** Zero or negative. */
    SIZE_NOT_POSITIVE,
    /** Above the query's {@code maxPageSize}. */
    SIZE_ABOVE_CAP,
    /**
     * The keys of a deep link do not fit the order: too many, NULL where none can be, wrong type;
     * or a first or last page came with a cursor or keys.
     */
    KEYS,
    /** A named parameter of the query has no value. */
    VALUE_MISSING,
    /** A value was given for a name that the query does not have, or with a type it cannot take. */
    VALUE_UNUSABLE,
    /** The cap of a capped count is below 1 or above 10^12. */
    COUNT_CAP
  }

  private final Reason reason;

  InvalidPageRequestException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
