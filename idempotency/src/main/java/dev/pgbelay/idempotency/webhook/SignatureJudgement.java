package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.idempotency.webhook.SignatureVerifier.Verdict;
import dev.pgbelay.idempotency.webhook.SignatureVerifier.Verdict.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;

/** How verdicts follow from what a message says of its signature. */
final class SignatureJudgement {
  private SignatureJudgement() {}

  static Verdict missing(String header) {
    return Verdict.refused(
        Outcome.MISSING, "there is no header '%s': who sent this?".formatted(header));
  }

  /** The time counts for nothing where no secret fits. */
  static Verdict judged(
      String header,
      Optional<String> fitting,
      Set<String> secrets,
      Instant signedAt,
      Instant now,
      Duration tolerance) {
    if (fitting.isEmpty()) {
      return Verdict.refused(
          Outcome.WRONG,
          "no signature in header '%s' fits any of the secrets %s: is the body as it came, and the secret today's?"
              .formatted(header, secrets));
    }
    Duration age = Duration.between(signedAt, now);
    Outcome outcome =
        age.compareTo(tolerance) > 0
            ? Outcome.TOO_OLD
            : age.compareTo(tolerance.negated()) < 0 ? Outcome.TOO_NEW : Outcome.VALID;
    return new Verdict(
        outcome,
        Optional.of(signedAt),
        fitting,
        outcome == Outcome.VALID
            ? "valid"
            : "signed %s by this clock, the tolerance is %s: compare the clocks, or it was sent again"
                .formatted(age.isNegative() ? age.negated() + " ahead" : age + " ago", tolerance));
  }
}
