package dev.pgbelay.idempotency.webhook;

import java.util.Optional;

/**
 * What was done with a delivery, and how to answer it.
 *
 * @param outcome what was done
 * @param eventId the provider's, once the signature was right and the id fit
 * @param detail for the log, without secrets, signatures or body; not for the answer
 */
public record Reception(Outcome outcome, Optional<String> eventId, String detail) {

  /** What was done with a delivery. */
  public enum Outcome {
    /** Stored and committed. */
    STORED(200),
    /** The event was stored before. */
    DUPLICATE(200),
    /**
     * An event of this id was stored before and says something else. The first one counts; this one
     * is kept as a finding.
     */
    CONFLICT(200),
    /** Not signed by the provider, or too long ago. Nothing was written. */
    BAD_SIGNATURE(401),
    /** The body is over the limit. Nothing was written. */
    TOO_LARGE(413),
    /** No id was found, or none of 1 to 255 printable ASCII characters. Nothing was written. */
    BAD_EVENT_ID(400);

    private final int status;

    Outcome(int status) {
      this.status = status;
    }

    /** Of HTTP. */
    public int status() {
      return status;
    }
  }

  /** The status to answer with. If storing threw, it is 503: the provider comes again. */
  public int status() {
    return outcome.status();
  }

  static Reception refused(Outcome outcome, String detail) {
    return new Reception(outcome, Optional.empty(), detail);
  }

  static Reception of(Outcome outcome, String eventId) {
    return new Reception(outcome, Optional.of(eventId), outcome.name());
  }
}
