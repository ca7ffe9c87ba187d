package dev.pgbelay.core.schema;

import dev.pgbelay.core.PgBelayException;
import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How often and how long DDL is tried. A short lock_timeout makes an attempt give way to the
 * traffic that queues behind it; the pauses let that traffic drain.
 */
record DdlAttempts(
    Duration lockTimeout,
    int maxAttempts,
    Duration maxDuration,
    Duration firstPause,
    Duration maxPause) {
  static final String LOCK_NOT_AVAILABLE = "55P03";
  static final String DEADLOCK_DETECTED = "40P01";
  private static final double GROWTH = 2.0;
  private static final double JITTER = 0.5;

  static final DdlAttempts DEFAULTS =
      new DdlAttempts(
          Duration.ofMillis(500),
          30,
          Duration.ofMinutes(3),
          Duration.ofMillis(250),
          Duration.ofSeconds(10));

  DdlAttempts {
    require("lockTimeout", lockTimeout, Duration.ofMillis(1), Duration.ofMinutes(10));
    if (maxAttempts < 1 || maxAttempts > 10_000) {
      throw new PgBelayException("maxAttempts is " + maxAttempts + ": must be between 1 and 10000");
    }
    require("maxDuration", maxDuration, Duration.ofMillis(1), Duration.ofDays(1));
    require("firstPause", firstPause, Duration.ofMillis(1), Duration.ofMinutes(10));
    require("maxPause", maxPause, firstPause, Duration.ofMinutes(10));
  }

  static void require(String option, Duration value, Duration min, Duration max) {
    if (value.compareTo(min) < 0 || value.compareTo(max) > 0) {
      throw new PgBelayException(
          option + " is " + value + ": must be between " + min + " and " + max);
    }
  }

  DdlAttempts withLockTimeout(Duration timeout) {
    return new DdlAttempts(timeout, maxAttempts, maxDuration, firstPause, maxPause);
  }

  DdlAttempts withMaxAttempts(int attempts) {
    return new DdlAttempts(lockTimeout, attempts, maxDuration, firstPause, maxPause);
  }

  DdlAttempts withMaxDuration(Duration duration) {
    return new DdlAttempts(lockTimeout, maxAttempts, duration, firstPause, maxPause);
  }

  DdlAttempts withPauses(Duration first, Duration max) {
    return new DdlAttempts(lockTimeout, maxAttempts, maxDuration, first, max);
  }

  /** One attempt; it is told its number, from 1. */
  interface Attempt<T> {
    T run(int number) throws SQLException;
  }

  /**
   * A lock was not had in any attempt; {@code interrupted} if it was the pause that ended early.
   */
  static final class GaveUp extends Exception {
    private static final long serialVersionUID = 1L;
    final int attempts;
    final Duration took;
    final boolean interrupted;

    GaveUp(int attempts, Duration took, boolean interrupted, SQLException last) {
      super(last);
      this.attempts = attempts;
      this.took = took;
      this.interrupted = interrupted;
    }

    String describe() {
      return interrupted
          ? "this thread was interrupted after " + attempts + " attempts"
          : "no lock in " + attempts + " attempts over " + took.toMillis() + " ms";
    }
  }

  /**
   * Runs attempts until one does not fail by one of {@code retried}.
   *
   * @throws SQLException any other failure, at once
   */
  <T> T run(Set<String> retried, Attempt<T> attempt) throws SQLException, GaveUp {
    long start = System.nanoTime();
    int[] attempts = new int[1];
    Retry retry =
        Retry.of(
            "pgbelay-ddl",
            RetryConfig.custom()
                .maxAttempts(maxAttempts)
                .intervalFunction(
                    IntervalFunction.ofExponentialRandomBackoff(
                        firstPause, GROWTH, JITTER, maxPause))
                .retryOnException(
                    e -> isOneOf(retried, e) && sinceNanos(start) < maxDuration.toNanos())
                .build());
    try {
      return retry.executeCallable(
          () -> {
            attempts[0]++;
            return attempt.run(attempts[0]);
          });
    } catch (SQLException e) {
      if (isOneOf(retried, e)) {
        boolean interrupted = Thread.currentThread().isInterrupted();
        throw new GaveUp(attempts[0], Duration.ofNanos(sinceNanos(start)), interrupted, e);
      }
      throw e;
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("An attempt throws SQLException only", e);
    }
  }

  private static long sinceNanos(long start) {
    return System.nanoTime() - start;
  }

  private static boolean isOneOf(Set<String> states, @Nullable Throwable e) {
    return e instanceof SQLException failure
        && failure.getSQLState() != null
        && states.contains(failure.getSQLState());
  }
}
