package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * Says whether a provider sent what came in. {@link HmacSignatures} and {@link StandardWebhooks} do
 * it for providers that sign with a shared secret; implement this for others.
 *
 * <p>Called before anything of the body is read or stored, by several threads at once. An
 * implementation compares in constant time, and neither logs nor returns secrets or the body.
 */
@FunctionalInterface
public interface SignatureVerifier {
  /**
   * Checks one message.
   *
   * @param headers the values of a header by its name in lower case; an empty list where it is
   *     missing
   * @param body the bytes as they came over the wire: a body that was parsed and written again has
   *     another signature
   */
  Verdict verify(Function<String, List<String>> headers, byte[] body);

  /**
   * What was found.
   *
   * @param outcome whether to believe the message, and if not, why
   * @param signedAt when the provider says that it signed; present only if the signature is right
   * @param secret the name of the secret that fits, to see when an old one is no longer in use
   * @param detail for the log: what is wrong and what to look at, without secrets, signatures or
   *     body
   */
  record Verdict(
      Outcome outcome, Optional<Instant> signedAt, Optional<String> secret, String detail) {
    /** Whether to believe a message. All but {@link #VALID} are refusals. */
    public enum Outcome {
      /** Signed with one of the secrets, within the tolerance. */
      VALID,
      /** The header is not there. */
      MISSING,
      /** The header is not in the declared form. */
      MALFORMED,
      /** No signature fits any of the secrets. */
      WRONG,
      /** Rightly signed, but longer ago than the tolerance: perhaps somebody plays it again. */
      TOO_OLD,
      /** Rightly signed, but further ahead than the tolerance: one of two clocks is wrong. */
      TOO_NEW
    }

    /** True for {@link Outcome#VALID} only. */
    public boolean isValid() {
      return outcome == Outcome.VALID;
    }

    /** To be believed; for verifiers of your own that sign neither with a time nor by name. */
    public static Verdict valid() {
      return new Verdict(Outcome.VALID, Optional.empty(), Optional.empty(), "valid");
    }

    /**
     * Not to be believed.
     *
     * @throws PgBelayException for {@link Outcome#VALID}
     */
    public static Verdict refused(Outcome outcome, String detail) {
      if (outcome == Outcome.VALID) {
        throw new PgBelayException("a refusal cannot be VALID: say what is wrong, or valid()");
      }
      return new Verdict(outcome, Optional.empty(), Optional.empty(), detail);
    }
  }
}
