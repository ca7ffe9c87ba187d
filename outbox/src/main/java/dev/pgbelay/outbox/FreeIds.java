package dev.pgbelay.outbox;

/**
 * The last messages without key that looks have brought: one of them is not handed over any more,
 * although it may be delivered and forgotten by now. Changed under the window's lock; what has been
 * counted may be read without.
 */
final class FreeIds {
  private static final int KEPT = 4096;

  private final long[] ids = new long[KEPT];
  private volatile long count;

  /** How many there have been; to be asked before the commit. */
  long count() {
    return count;
  }

  @SuppressWarnings("NonAtomicVolatileUpdate") // by whoever has the lock
  void add(long id) {
    ids[(int) (count % KEPT)] = id;
    count++;
  }

  /** Whether it may be among those that came since. */
  boolean mayHave(long id, long since) {
    if (count - since > KEPT) {
      return true;
    }
    for (long i = since; i < count; i++) {
      if (ids[(int) (i % KEPT)] == id) {
        return true;
      }
    }
    return false;
  }
}
