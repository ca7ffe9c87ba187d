package dev.pgbelay.lock;

import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;

/**
 * How locks are acquired. Immutable; each method returns another one.
 *
 * @param policy what to do about locks that somebody else holds
 * @param longestWait the longest wait for any one lock, 1 ms to 1 hour; a shorter {@code
 *     lock_timeout} of the transaction, and its deadline, hold as well
 * @param missing what to do about rows that do not exist
 * @param rows whether the locked rows are read too
 */
public record LockOptions(Policy policy, Duration longestWait, Missing missing, boolean rows) {
  private static final LockOptions DEFAULTS =
      new LockOptions(Policy.WAIT, Duration.ofSeconds(5), Missing.ERROR, false);

  /** About locks that somebody else holds. */
  public enum Policy {
    /** Wait for each, up to the limit. */
    WAIT,
    /** Fail at once. The limit still holds for what rows cannot be locked without. */
    NO_WAIT,
    /** Leave out what is held, and say what was left out. */
    SKIP_LOCKED
  }

  /** About rows that do not exist. */
  public enum Missing {
    /** {@link MissingRowsException}. */
    ERROR,
    /** They stand in {@link Acquired#missing()}. */
    REPORT,
    /** They are not mentioned. */
    IGNORE
  }

  public LockOptions {
    OptionRange.require("longestWait", longestWait, Duration.ofMillis(1), Duration.ofHours(1));
  }

  /** Waits up to 5 seconds for each lock, fails for missing rows, reads no rows. */
  public static LockOptions defaults() {
    return DEFAULTS;
  }

  /** {@link Policy#WAIT} up to {@code longest} for each lock. */
  public LockOptions waitAtMost(Duration longest) {
    return new LockOptions(Policy.WAIT, longest, missing, rows);
  }

  /** {@link Policy#NO_WAIT}. */
  public LockOptions noWait() {
    return new LockOptions(Policy.NO_WAIT, longestWait, missing, rows);
  }

  /** {@link Policy#SKIP_LOCKED}. */
  public LockOptions skipLocked() {
    return new LockOptions(Policy.SKIP_LOCKED, longestWait, missing, rows);
  }

  public LockOptions missing(Missing choice) {
    return new LockOptions(policy, longestWait, choice, rows);
  }

  /** Reads the rows in the statement that locks them; see {@link Acquired#rows}. */
  public LockOptions returningRows() {
    return new LockOptions(policy, longestWait, missing, true);
  }
}
