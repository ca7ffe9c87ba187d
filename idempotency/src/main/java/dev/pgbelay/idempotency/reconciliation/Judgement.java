package dev.pgbelay.idempotency.reconciliation;

import org.jspecify.annotations.Nullable;

/**
 * What one look at both sides says of a payment.
 *
 * @param finding present exactly for {@link Verdict#FINDING}
 * @param unreadable whether amounts could not be compared
 */
record Judgement(Verdict verdict, @Nullable Finding finding, boolean unreadable) {
  enum Verdict {
    /** Nothing is there, and nothing should be. */
    NOTHING,
    MATCHED,
    IN_FLIGHT,
    UNJUDGED,
    FINDING
  }

  static final Judgement NOTHING = new Judgement(Verdict.NOTHING, null, false);
  static final Judgement MATCHED = new Judgement(Verdict.MATCHED, null, false);
  static final Judgement IN_FLIGHT = new Judgement(Verdict.IN_FLIGHT, null, false);
  static final Judgement UNJUDGED = new Judgement(Verdict.UNJUDGED, null, false);

  static Judgement of(Finding finding) {
    return new Judgement(Verdict.FINDING, finding, false);
  }

  Judgement unread() {
    return new Judgement(verdict, finding, true);
  }
}
