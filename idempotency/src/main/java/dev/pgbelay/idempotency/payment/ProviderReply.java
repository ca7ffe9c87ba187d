package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import java.util.Optional;

/**
 * What is known about a call of a provider.
 *
 * <p>Immutable, as far as the result is.
 *
 * @param kind what happened there
 * @param result present exactly for {@link Kind#SUCCEEDED}
 * @param detail the code of a refusal, or why nothing is known; without secrets: it is stored
 * @param <T> the step's result
 */
public record ProviderReply<T>(Kind kind, Optional<T> result, String detail) {
  private static final int LONGEST = 200;

  /** What happened at the provider. */
  public enum Kind {
    /** It acted. */
    SUCCEEDED,
    /** It did not act and never will: an answer, not a failure. */
    REFUSED,
    /** It knows nothing of the request, so far. Only a status query can say so. */
    ABSENT,
    /** It may have acted or not. */
    UNKNOWN
  }

  /**
   * Checks the parts.
   *
   * @throws PgBelayException if kind and result do not fit
   */
  public ProviderReply {
    if ((kind == Kind.SUCCEEDED) != result.isPresent()) {
      throw new PgBelayException("a reply has a result exactly if it is SUCCEEDED, is " + kind);
    }
  }

  public static <T> ProviderReply<T> succeeded(T result) {
    return new ProviderReply<>(Kind.SUCCEEDED, Optional.of(result), "");
  }

  /**
   * Definitely not done.
   *
   * @param code why, for {@link Execution#refusal}: 1 to 200 characters
   */
  public static <T> ProviderReply<T> refused(String code) {
    return new ProviderReply<>(Kind.REFUSED, Optional.empty(), requireCode(code));
  }

  /** Of a status query: the provider has nothing under the key. It may have in a moment. */
  public static <T> ProviderReply<T> absent() {
    return new ProviderReply<>(Kind.ABSENT, Optional.empty(), "unknown to the provider");
  }

  /**
   * Perhaps done, as after a 5xx.
   *
   * @param reason cut at 200 characters
   */
  public static <T> ProviderReply<T> unknown(String reason) {
    return new ProviderReply<>(Kind.UNKNOWN, Optional.empty(), cut(reason));
  }

  /** Whether it says what happened. */
  public boolean isDefinite() {
    return kind == Kind.SUCCEEDED || kind == Kind.REFUSED;
  }

  static String requireCode(String code) {
    if (code.isEmpty() || code.length() > LONGEST || code.indexOf('\0') >= 0) {
      throw new PgBelayException(
          "the code of a refusal must have 1 to " + LONGEST + " characters, has " + code.length());
    }
    return code;
  }

  static String cut(String reason) {
    String clean = reason.replace('\0', ' ');
    return clean.length() <= LONGEST ? clean : clean.substring(0, LONGEST);
  }

  /** Without the result. */
  @Override
  public String toString() {
    return kind + (detail.isEmpty() ? "" : " (" + detail + ")");
  }
}
