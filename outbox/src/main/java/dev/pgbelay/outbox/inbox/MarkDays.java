package dev.pgbelay.outbox.inbox;

import java.time.Duration;

/**
 * Which marks are written for a message of which age, in days between the one its id was drawn on
 * and today.
 *
 * <p>A mark by the day of the id is written from {@link #YOUNGEST} to {@link #oldestDated}, any
 * other kind of mark outside of 0 to {@link #FRESH}. Whatever an age is written as, any age that
 * can be reached within the retention shares a mark with it, or looks for it.
 */
record MarkDays(int retention) {
  /** A day ahead: clocks of those who draw ids may be fast, and midnight may pass. */
  static final int YOUNGEST = -1;

  /** Up to here nothing but the dated mark is written. */
  static final int FRESH = 3;

  static final int SLOTS = 32;

  /** One day more, since a transaction that has decided takes a moment to write. */
  private static final int MARGIN = 1;

  static final Duration LEAST = Duration.ofDays(1);
  static final Duration MOST = Duration.ofDays(21);

  /** The age up to which a fresh mark may still be asked for. */
  int oldestDated() {
    return FRESH + retention + MARGIN;
  }

  /** The age up to which a slot is left alone. */
  int oldestKept() {
    return oldestDated() + MARGIN;
  }
}
