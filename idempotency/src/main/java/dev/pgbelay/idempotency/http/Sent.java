package dev.pgbelay.idempotency.http;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.Optional;

/**
 * What came of a request that was sent once or several times with one key.
 *
 * @param outcome what is known about its effect
 * @param response the last answer, whatever it was
 * @param failure the last attempt's failure, if it ended without an answer
 * @param attempts how often it was sent, or tried to be
 * @param <T> the body's type
 */
public record Sent<T>(
    Outcome outcome,
    Optional<HttpResponse<T>> response,
    Optional<IOException> failure,
    int attempts) {
  /** What is known about the effect. */
  public enum Outcome {
    /** There is an answer, and it is the answer to this key: done, or refused for good. */
    ANSWERED,
    /**
     * Turned away before it was looked at, every time (401, 403, 425 or 429): this call has changed
     * nothing.
     */
    NOT_ACCEPTED,
    /** No attempt reached the other side: nothing has happened. */
    NOT_SENT,
    /**
     * At least one attempt may have taken effect, and no later one said which: a timeout, a
     * connection that broke, a 5xx, or a 409 to the end: another call with this key runs. Not a
     * failure to be tried with another key: ask the other side.
     */
    UNDETERMINED
  }
}
