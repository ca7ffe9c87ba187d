package dev.pgbelay.jobqueue;

import java.time.Duration;
import java.util.Optional;

/**
 * What a handler says of an attempt that ended without an exception. Immutable and safe for several
 * threads.
 *
 * @param verdict what becomes of the job
 * @param delay how much later it comes again, where it does
 * @param reason what is kept of it, for those who look; not for secrets
 */
public record JobOutcome(Verdict verdict, Optional<Duration> delay, Optional<String> reason) {
  /** What becomes of the job. */
  public enum Verdict {
    /** It is finished. */
    DONE,
    /** It comes again; the attempt does not count. */
    SNOOZE,
    /** It comes again; the attempt counts, and the last one makes it a dead letter. */
    RETRY_LATER,
    /** It is finished without success, and nobody needs to see to it. */
    DISCARD
  }

  private static final JobOutcome DONE =
      new JobOutcome(Verdict.DONE, Optional.empty(), Optional.empty());

  /**
   * @throws dev.pgbelay.core.PgBelayException if a delay is negative or longer than ten years
   */
  public JobOutcome {
    delay.ifPresent(time -> Options.require("delay", time, Duration.ZERO, Options.LONGEST_DELAY));
  }

  /** The work is done. */
  public static JobOutcome done() {
    return DONE;
  }

  /** It is too early: try again after this time, as if this attempt had not been. */
  public static JobOutcome snooze(Duration delay) {
    return new JobOutcome(Verdict.SNOOZE, Optional.of(delay), Optional.empty());
  }

  /** It failed: try again after this time. */
  public static JobOutcome retryLater(Duration delay, String reason) {
    return new JobOutcome(Verdict.RETRY_LATER, Optional.of(delay), Optional.of(reason));
  }

  /** The work has become pointless, such as an e-mail to an account that is gone. */
  public static JobOutcome discard(String reason) {
    return new JobOutcome(Verdict.DISCARD, Optional.empty(), Optional.of(reason));
  }
}
