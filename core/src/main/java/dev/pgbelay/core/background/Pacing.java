package dev.pgbelay.core.background;

import io.github.resilience4j.core.IntervalFunction;
import java.time.Duration;

/** How long a loop pauses, from what its passes said. Used by one thread at a time. */
final class Pacing {
  private static final double GROWTH = 2.0;
  private static final double JITTER = 0.25;

  /** Far beyond the step that reaches any maximum; the function's cost grows with the step. */
  private static final int LAST_STEP = 64;

  private final IntervalFunction idle;
  private final IntervalFunction failure;
  private final Duration longestFailurePause;
  private int idleStep;
  private int failureStep;

  Pacing(Duration firstIdle, Duration longestIdle, Duration firstFailure, Duration longestFailure) {
    this.idle = IntervalFunction.ofExponentialRandomBackoff(firstIdle, GROWTH, JITTER, longestIdle);
    this.failure =
        IntervalFunction.ofExponentialRandomBackoff(firstFailure, GROWTH, JITTER, longestFailure);
    this.longestFailurePause = longestFailure;
  }

  /** The pause after a pass that went well. */
  Duration after(Pass pass) {
    failureStep = 0;
    if (pass.work() > 0) {
      idleStep = 0;
      return Duration.ZERO;
    }
    idleStep = Math.min(idleStep + 1, LAST_STEP);
    Duration pause = Duration.ofMillis(idle.apply(idleStep));
    return pass.pauseAtMost().filter(most -> most.compareTo(pause) < 0).orElse(pause);
  }

  /** The pause after a failed pass. A JVM that is out of memory is given the longest at once. */
  Duration after(Throwable failed) {
    idleStep = 0;
    failureStep = Math.min(failureStep + 1, LAST_STEP);
    return failed instanceof VirtualMachineError
        ? longestFailurePause
        : Duration.ofMillis(failure.apply(failureStep));
  }

  /** Something was announced: the next idle pauses start short again. */
  void woken() {
    idleStep = 0;
  }
}
