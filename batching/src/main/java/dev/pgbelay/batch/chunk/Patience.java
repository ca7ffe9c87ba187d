package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import java.time.Duration;
import java.util.function.Supplier;

/** Bears failures that may pass, with growing pauses, for a limited time in a row. */
final class Patience {
  private static final long FIRST_PAUSE = 50;
  private static final long LONGEST_PAUSE = 5_000;

  private final long nanos;
  private long firstFailure;
  private long pauseMillis;

  Patience(Duration limit) {
    this.nanos = limit.toNanos();
  }

  /** Something went well. */
  void reset() {
    pauseMillis = 0;
  }

  /**
   * Pauses, or throws what happened when it has gone on for too long. An interrupt ends the pause
   * and stays set.
   */
  void spend(RuntimeException failure) {
    long now = System.nanoTime();
    if (pauseMillis == 0) {
      firstFailure = now;
    }
    if (now - firstFailure >= nanos) {
      throw failure;
    }
    pauseMillis = pauseMillis == 0 ? FIRST_PAUSE : Math.min(LONGEST_PAUSE, pauseMillis * 2);
    sleep(Duration.ofMillis(pauseMillis));
  }

  /** Pauses like {@link #spend} if the failure may pass; throws it otherwise. */
  void bear(RuntimeException failure) {
    if (Thread.currentThread().isInterrupted() || !mayPass(failure)) {
      throw failure;
    }
    spend(failure);
  }

  /** Does something that may be done again until it goes well. */
  <T> T bearing(Supplier<T> work) {
    while (true) {
      try {
        T result = work.get();
        reset();
        return result;
      } catch (RuntimeException e) {
        bear(e);
      }
    }
  }

  /** Not so the limits of the server's programs (class 54): time does not move them. */
  static boolean mayPass(RuntimeException failure) {
    FailureKind kind = Failures.classify(failure);
    return isTimeout(kind)
        || (isPassing(kind)
            && Failures.sqlState(failure).filter(state -> state.startsWith("54")).isEmpty());
  }

  /** Failures of the surroundings, which say nothing about the work. */
  static boolean isPassing(FailureKind kind) {
    return switch (kind) {
      case CONNECTION_LOST,
          CANNOT_CONNECT,
          POOL_EXHAUSTED,
          BULKHEAD_FULL,
          DEADLOCK,
          SERIALIZATION_FAILURE,
          RECOVERY_CONFLICT,
          OUTCOME_UNKNOWN,
          RESOURCES_EXHAUSTED ->
          true;
      default -> false;
    };
  }

  /** Failures that a smaller chunk may not have. */
  static boolean isTimeout(FailureKind kind) {
    return switch (kind) {
      case STATEMENT_TIMEOUT,
          LOCK_TIMEOUT,
          LOCK_NOT_AVAILABLE,
          DEADLINE_EXCEEDED,
          QUERY_CANCELED,
          TRANSACTION_TIMEOUT ->
          true;
      default -> false;
    };
  }

  static void sleep(Duration pause) {
    try {
      Thread.sleep(pause.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
