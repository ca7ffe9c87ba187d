package dev.pgbelay.idempotency.http;

import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How one attempt ended. */
record SendAttempt<T>(@Nullable HttpResponse<T> response, @Nullable IOException failure) {
  enum Meaning {
    /** The answer to this key. */
    DEFINITE,
    /** Turned away; nothing has happened through this attempt. */
    TURNED_AWAY,
    /** Turned away because another attempt with this key runs: that one may yet act. */
    RUNNING_ELSEWHERE,
    NOT_SENT,
    UNDETERMINED
  }

  Meaning meaning() {
    if (response == null) {
      return wasNotSent() ? Meaning.NOT_SENT : Meaning.UNDETERMINED;
    }
    return switch (response.statusCode()) {
      case 401, 403, 425, 429 -> Meaning.TURNED_AWAY;
      case 409 -> Meaning.RUNNING_ELSEWHERE;
      case 408 -> Meaning.UNDETERMINED;
      default -> response.statusCode() >= 500 ? Meaning.UNDETERMINED : Meaning.DEFINITE;
    };
  }

  /** Another attempt with the same key may bring more. Never after an answer, 422 among them. */
  boolean isWorthAnother() {
    return meaning() != Meaning.DEFINITE
        && (response == null || (response.statusCode() != 401 && response.statusCode() != 403));
  }

  private boolean wasNotSent() {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof ConnectException
          || cause instanceof HttpConnectTimeoutException
          || cause instanceof UnresolvedAddressException) {
        return true;
      }
    }
    return false;
  }

  Optional<HttpResponse<T>> answer() {
    return Optional.ofNullable(response);
  }

  Optional<IOException> problem() {
    return Optional.ofNullable(failure);
  }
}
