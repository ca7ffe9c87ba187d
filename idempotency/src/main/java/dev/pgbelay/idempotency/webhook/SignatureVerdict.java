package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;

/**
 * What a {@link SignatureVerifier} found.
 *
 * @param outcome whether to believe the message, and if not, why
 * @param signedAt when the provider says that it signed; present only if the signature is right
 * @param secret the name of the secret that fits, to see when an old one is no longer in use
 * @param detail for the log: what is wrong and what to look at, without secrets, signatures or body
 */
public record SignatureVerdict(
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
  public static SignatureVerdict valid() {
    return new SignatureVerdict(Outcome.VALID, Optional.empty(), Optional.empty(), "valid");
  }

  static SignatureVerdict missing(String header) {
    return refused(Outcome.MISSING, "there is no header '%s': who sent this?".formatted(header));
  }

  /** The time counts for nothing where no secret fits. */
  static SignatureVerdict judged(
      String header,
      Optional<String> fitting,
      Set<String> secrets,
      Instant signedAt,
      Instant now,
      Duration tolerance) {
    if (fitting.isEmpty()) {
      return refused(
          Outcome.WRONG,
          "no signature in header '%s' fits any of the secrets %s: is the body as it came, and the secret today's?"
              .formatted(header, secrets));
    }
    Duration age = Duration.between(signedAt, now);
    Outcome outcome =
        age.compareTo(tolerance) > 0
            ? Outcome.TOO_OLD
            : age.compareTo(tolerance.negated()) < 0 ? Outcome.TOO_NEW : Outcome.VALID;
    return new SignatureVerdict(
        outcome,
        Optional.of(signedAt),
        fitting,
        outcome == Outcome.VALID
            ? "valid"
            : "signed %s by this clock, the tolerance is %s: compare the clocks, or it was sent again"
                .formatted(age.isNegative() ? age.negated() + " ahead" : age + " ago", tolerance));
  }

  /**
   * Not to be believed.
   *
   * @throws PgBelayException for {@link Outcome#VALID}
   */
  public static SignatureVerdict refused(Outcome outcome, String detail) {
    if (outcome == Outcome.VALID) {
      throw new PgBelayException("a refusal cannot be VALID: say what is wrong, or valid()");
    }
    return new SignatureVerdict(outcome, Optional.empty(), Optional.empty(), detail);
  }
}
