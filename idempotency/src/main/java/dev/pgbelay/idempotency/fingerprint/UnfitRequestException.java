package dev.pgbelay.idempotency.fingerprint;

import dev.pgbelay.core.PgBelayException;

/**
 * A request has no fingerprint, because it can be read in two ways or not at all. To an HTTP client
 * it is a 400. The message says where, and nothing of what the request holds.
 */
public final class UnfitRequestException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** What makes a request unfit. */
  public enum Reason {
    /** It is not JSON, or not in UTF-8. */
    NOT_JSON,
    /** An object has a name twice: readers disagree on which one counts. */
    DUPLICATE_NAME,
    /** Arrays and objects in each other beyond the limit. */
    TOO_DEEP,
    /** More bytes than the limit, or a number or an exponent beyond any use. */
    TOO_LONG,
    /** A text is not Unicode, such as one with half of a surrogate pair. */
    NOT_UNICODE
  }

  private final Reason reason;

  UnfitRequestException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  /** What makes it unfit. */
  public Reason reason() {
    return reason;
  }
}
