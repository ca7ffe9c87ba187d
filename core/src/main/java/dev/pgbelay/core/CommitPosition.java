package dev.pgbelay.core;

/**
 * A place in the write-ahead log of one cluster: everything committed up to it is visible on a node
 * that has replayed it. Positions of different clusters or timelines do not compare: after a
 * fail-over an equal number can mean another history.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param systemIdentifier the cluster, as {@code pg_control_system()} names it
 * @param timeline the timeline the position was read on, at least 1
 * @param lsn the byte position in the log, compared as an unsigned number
 */
public record CommitPosition(long systemIdentifier, int timeline, long lsn) {
  public CommitPosition {
    if (timeline < 1) {
      throw new PgBelayException("timeline must be at least 1, is " + timeline);
    }
  }

  /** Whether both positions lie on the same timeline of the same cluster, so that they compare. */
  public boolean isComparableWith(CommitPosition other) {
    return systemIdentifier == other.systemIdentifier && timeline == other.timeline;
  }

  /**
   * Whether a node at this position shows everything committed up to {@code floor}. False where the
   * two do not compare.
   */
  public boolean covers(CommitPosition floor) {
    return isComparableWith(floor) && Long.compareUnsigned(lsn, floor.lsn) >= 0;
  }

  /** The position in PostgreSQL's notation, such as {@code 0/16B3748}. */
  public String lsnText() {
    return Long.toHexString(lsn >>> 32).toUpperCase(java.util.Locale.ROOT)
        + "/"
        + Long.toHexString(lsn & 0xFFFFFFFFL).toUpperCase(java.util.Locale.ROOT);
  }

  @Override
  public String toString() {
    return Long.toUnsignedString(systemIdentifier) + "/" + timeline + "/" + lsnText();
  }
}
