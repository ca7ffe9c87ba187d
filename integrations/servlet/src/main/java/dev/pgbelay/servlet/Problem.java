package dev.pgbelay.servlet;

import java.util.Locale;

/**
 * What is answered without asking the service (RFC 9457). Holds nothing of what the client sent.
 */
enum Problem {
  KEY_MISSING(400, "Send the header Idempotency-Key, once, with a key of your own in quotes."),
  KEY_MALFORMED(
      400, "Idempotency-Key must be one string in double quotes, of 1 to 255 ASCII characters."),
  REQUEST_UNFIT(400, "The body can be read in two ways or not at all, and so cannot be compared."),
  REQUEST_UNREADABLE(400, "This is not a request that is understood here."),
  TOKEN_INVALID(
      400, "The consistency token was not made here, or was changed. Send the request without it."),
  TOKEN_EXPIRED(400, "The time of the consistency token is over. Send the request without it."),
  TOKEN_FOREIGN(400, "The consistency token is of another database. Send the request without it."),
  NOT_AUTHENTICATED(401, "Keys belong to whoever is authenticated, and nobody is."),
  RUNNING(409, "Another request with this key is not finished. Send the same request again later."),
  TOKEN_LOST(
      409,
      "What was written or seen may have been lost when the database failed over. Look again,"
          + " without the token."),
  EXPIRED(410, "The answer to this key is no longer kept. Use a new key for a new request."),
  BODY_TOO_LARGE(413, "The body is larger than requests with a key may be."),
  BODY_OF_PARTS(415, "Requests of several parts have no place under a key."),
  OTHER_REQUEST(422, "This key was used for another request. Use a new key for a new request."),
  NOT_DONE(503, "Nothing was done. Send the same request again later, with the same key."),
  UNKNOWN(
      503,
      "It is not known what became of the request. Send the same one again with the same key.");

  private final int status;
  private final String detail;

  Problem(int status, String detail) {
    this.status = status;
    this.detail = detail;
  }

  int status() {
    return status;
  }

  String detail() {
    return detail;
  }

  String title() {
    return name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** Its place in the service's documentation, and its name in metrics. */
  String anchor() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
