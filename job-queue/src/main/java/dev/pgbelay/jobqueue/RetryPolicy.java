package dev.pgbelay.jobqueue;

import io.github.resilience4j.core.IntervalFunction;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * When a failed attempt is followed by another: after a pause that doubles from attempt to attempt
 * and is spread by a quarter of itself to either side, unless a rule for the exception says
 * otherwise. How many attempts there are in all, the job says.
 *
 * <p>Immutable and safe for several threads.
 */
public final class RetryPolicy {
  private static final double GROWTH = 2.0;
  private static final double SPREAD = 0.25;

  /** Far beyond the step that reaches any maximum. */
  private static final int LAST_STEP = 64;

  private static final RetryPolicy DEFAULTS =
      exponential(Duration.ofSeconds(1), Duration.ofHours(1));

  /** What is done about exceptions of a class: empty for never again. */
  private record Rule(Class<? extends Throwable> type, Optional<Duration> pause) {}

  private final IntervalFunction pauses;
  private final List<Rule> rules;

  private RetryPolicy(IntervalFunction pauses, List<Rule> rules) {
    this.pauses = pauses;
    this.rules = List.copyOf(rules);
  }

  /** Pauses of a second, doubling up to an hour; no rules. */
  public static RetryPolicy defaults() {
    return DEFAULTS;
  }

  /**
   * Pauses that begin with {@code first} and double up to {@code longest}, before they are spread.
   *
   * @throws dev.pgbelay.core.PgBelayException unless 10 ms ≤ first ≤ longest ≤ 30 days
   */
  public static RetryPolicy exponential(Duration first, Duration longest) {
    Options.require("longest", longest, Duration.ofMillis(10), Duration.ofDays(30));
    Options.require("first", first, Duration.ofMillis(10), longest);
    return new RetryPolicy(
        IntervalFunction.ofExponentialRandomBackoff(first, GROWTH, SPREAD, longest), List.of());
  }

  /**
   * This policy, with a fixed pause after exceptions of this class and of its subclasses. Of
   * several rules that fit, the one added first holds.
   */
  public RetryPolicy withPauseAfter(Class<? extends Throwable> type, Duration pause) {
    Options.require("pause", pause, Duration.ZERO, Duration.ofDays(30));
    return with(new Rule(type, Optional.of(pause)));
  }

  /**
   * This policy, with no other attempt after exceptions of this class: the job becomes a dead
   * letter at once.
   */
  public RetryPolicy withNoRetryAfter(Class<? extends Throwable> type) {
    return with(new Rule(type, Optional.empty()));
  }

  private RetryPolicy with(Rule rule) {
    List<Rule> more = new ArrayList<>(rules);
    more.add(rule);
    return new RetryPolicy(pauses, more);
  }

  /** The pause after a failed attempt; empty if there is to be no other. */
  Optional<Duration> pauseAfter(Throwable failure, int attempt) {
    for (Rule rule : rules) {
      if (rule.type().isInstance(failure)) {
        return rule.pause();
      }
    }
    return Optional.of(Duration.ofMillis(pauses.apply(Math.min(Math.max(attempt, 1), LAST_STEP))));
  }
}
