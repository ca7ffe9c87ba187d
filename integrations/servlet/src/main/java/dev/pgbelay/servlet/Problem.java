package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;

import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.time.Duration;

/** What a filter answers by itself (RFC 9457). Holds nothing of what the client sent. */
enum Problem {
  KEY_MISSING(400, "Send the header Idempotency-Key, once, with a key of your own in quotes."),
  KEY_MALFORMED(
      400, "Idempotency-Key must be one string in double quotes, of 1 to 255 ASCII characters."),
  REQUEST_UNFIT(400, "The body can be read in two ways or not at all, and so cannot be compared."),
  NOT_AUTHENTICATED(401, "Keys belong to whoever is authenticated, and nobody is."),
  RUNNING(409, "Another request with this key is not finished. Send the same request again later."),
  EXPIRED(410, "The answer to this key is no longer kept. Use a new key for a new request."),
  BODY_TOO_LARGE(413, "The body is larger than requests with a key may be."),
  BODY_OF_PARTS(415, "Requests of several parts have no place under a key."),
  OTHER_REQUEST(422, "This key was used for another request. Use a new key for a new request."),
  UNKNOWN(
      503,
      "It is not known what became of the request. Send the same one again with the same key.");

  private final int status;
  private final String detail;

  Problem(int status, String detail) {
    this.status = status;
    this.detail = detail;
  }

  void answer(HttpServletResponse response, Duration retryAfter) throws IOException {
    long seconds = Math.max(1, retryAfter.plusMillis(999).toSeconds());
    response.setHeader("Retry-After", Long.toString(seconds));
    answer(response);
  }

  void answer(HttpServletResponse response) throws IOException {
    byte[] body =
        "{\"type\":\"about:blank\",\"status\":%d,\"title\":\"%s\",\"detail\":\"%s\"}"
            .formatted(status, name().toLowerCase(java.util.Locale.ROOT).replace('_', ' '), detail)
            .getBytes(UTF_8);
    response.setStatus(status);
    response.setContentType("application/problem+json");
    response.setContentLength(body.length);
    response.getOutputStream().write(body);
  }
}
