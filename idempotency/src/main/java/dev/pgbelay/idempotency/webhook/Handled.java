package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;

/**
 * What became of an event.
 *
 * <p>Immutable.
 *
 * @param verdict what happens next
 * @param reason for the list of events; stored, so without secrets; at most 200 characters are kept
 */
public record Handled(Verdict verdict, String reason) {
  private static final int LONGEST = 200;
  private static final Handled PROCESSED = new Handled(Verdict.PROCESSED, "");

  /** What happens next. */
  public enum Verdict {
    /** Committed, and over. */
    PROCESSED,
    /** Rolled back, and tried again later, until the inbox's bound for that. */
    NOT_YET,
    /** Rolled back, and left to a decision. */
    PARKED
  }

  /** Cuts the reason. */
  public Handled {
    String clean = reason.replace('\0', ' ');
    reason = clean.length() <= LONGEST ? clean : clean.substring(0, LONGEST);
  }

  /** Done, or nothing to do. */
  public static Handled processed() {
    return PROCESSED;
  }

  /** It is about something that is not here yet. */
  public static Handled notYet(String reason) {
    return new Handled(Verdict.NOT_YET, reason);
  }

  /** Nothing that trying again would change. */
  public static Handled park(String reason) {
    return new Handled(Verdict.PARKED, reason);
  }

  /**
   * What follows from the settlement of a payment: "not yet" if the payment is not there or has not
   * asked yet, else processed; a contradiction is noted with the payment, and stays so only if this
   * is committed.
   */
  public static Handled after(Settlement settlement) {
    return switch (settlement) {
      case SETTLED, ALREADY_KNOWN, CONTRADICTED -> PROCESSED;
      case NOT_ASKED, NO_SUCH_KEY -> notYet("its payment: " + settlement);
    };
  }
}
