package dev.pgbelay.lock;

/**
 * How strongly a row is locked, weakest first. Two transactions may hold the same row as long as
 * their modes do not conflict: see the <a
 * href="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS">table of
 * row-level lock conflicts</a> in PostgreSQL's documentation.
 */
public enum LockMode {
  /**
   * The row stays and keeps its key; others may change its other columns. What an insert takes on
   * the row that its foreign key points to.
   */
  KEY_SHARE,
  /** The row stays as it is; others may read it in this mode too. */
  SHARE,
  /**
   * The row is to be changed, but neither deleted nor given another key. What an {@code UPDATE} of
   * other columns takes; does not stand in the way of inserts that point to the row.
   */
  NO_KEY_UPDATE,
  /**
   * The row is to be deleted or given another key. Stops inserts that point to the row, so it is
   * asked for by name where a table is pointed to.
   */
  UPDATE;

  /** Whether a lock in this mode holds off at least everybody whom {@code other} holds off. */
  public boolean covers(LockMode other) {
    return compareTo(other) >= 0;
  }
}
