package dev.pgbelay.core.token;

import dev.pgbelay.core.PgBelayException;

/**
 * A token that {@link TokenSigner#verify} refuses. The message names the purpose and the rule,
 * never the token's content or a key.
 */
public final class InvalidTokenException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** Why a token was refused, in the order in which the checks are made. */
  public enum Reason {
    /** Longer than the signer's bound; nothing was decoded. */
    OVER_LONG,
    /** Not canonical unpadded base64url, or too short to hold the parts of a token. */
    MALFORMED,
    /** The envelope has a version that this release does not read. */
    WRONG_VERSION,
    /** Signed under a key name that the key ring does not (or no longer) hold. */
    UNKNOWN_KEY,
    /** Changed, cut, forged, or signed for another purpose. */
    BAD_SIGNATURE,
    /** Genuine, but its time is over. */
    EXPIRED
  }

  private final Reason reason;

  InvalidTokenException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  /** Why the token was refused, for callers that branch or count. */
  public Reason reason() {
    return reason;
  }
}
