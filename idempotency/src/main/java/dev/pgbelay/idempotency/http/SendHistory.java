package dev.pgbelay.idempotency.http;

import io.github.resilience4j.core.IntervalFunction;
import java.time.Duration;

/** What the attempts of one call have shown so far. Of one thread. */
final class SendHistory {
  /** An attempt that has no time to be answered would only add doubt. */
  private static final Duration LEAST_ATTEMPT = Duration.ofMillis(50);

  private final long begin = System.nanoTime();
  private final IntervalFunction waits;
  private final Duration totalTime;
  private int attempts;
  private boolean mayHaveActed;
  private boolean wasTurnedAway;
  private Duration pause = Duration.ZERO;

  SendHistory(IntervalFunction waits, Duration totalTime) {
    this.waits = waits;
    this.totalTime = totalTime;
  }

  <T> SendAttempt<T> note(SendAttempt<T> attempt) {
    attempts++;
    switch (attempt.meaning()) {
      case UNDETERMINED, RUNNING_ELSEWHERE -> mayHaveActed = true;
      case TURNED_AWAY -> wasTurnedAway = true;
      case DEFINITE, NOT_SENT -> {}
    }
    return attempt;
  }

  /** Whether another attempt can help and has time; decides the pause before it. */
  <T> boolean mayGoOn(SendAttempt<T> attempt) {
    Duration own = Duration.ofMillis(waits.apply(attempts));
    Duration asked = attempt.answer().flatMap(RetryAfter::of).orElse(Duration.ZERO);
    pause = asked.compareTo(own) > 0 ? asked : own;
    return attempt.isWorthAnother()
        && pause.plus(LEAST_ATTEMPT).compareTo(totalTime.minus(elapsed())) <= 0;
  }

  Duration pause() {
    return pause;
  }

  /** The time left for an attempt; never zero, because a timeout must be positive. */
  Duration remaining() {
    Duration left = totalTime.minus(elapsed());
    return left.compareTo(Duration.ofMillis(1)) < 0 ? Duration.ofMillis(1) : left;
  }

  private Duration elapsed() {
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  <T> Sent<T> result(SendAttempt<T> last) {
    return new Sent<>(outcome(last), last.answer(), last.problem(), attempts);
  }

  private Sent.Outcome outcome(SendAttempt<?> last) {
    if (last.meaning() == SendAttempt.Meaning.DEFINITE) {
      return Sent.Outcome.ANSWERED;
    }
    if (mayHaveActed) {
      return Sent.Outcome.UNDETERMINED;
    }
    return wasTurnedAway ? Sent.Outcome.NOT_ACCEPTED : Sent.Outcome.NOT_SENT;
  }
}
