package dev.pgbelay.batch.chunk;

import dev.pgbelay.keyset.internal.KeysetRanges;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Finds the ranges. At first by counting the rows for which the filter holds: where an index serves
 * the filter, as in a purge by age, nothing else is read. Where finding takes longer than the whole
 * chunk should and longer than the work, matches are rare and no index finds them; from then on a
 * range is a number of rows of the table, so that no statement has to read to its end. Positions
 * are the same in both. Not safe for several threads.
 */
final class Walk {
  private final long targetNanos;
  private final KeysetRanges matches;
  private final KeysetRanges rows;
  private boolean bounded;
  private long began;
  private long found;

  Walk(JobPlan plan) {
    this.targetNanos = plan.sizing().target().toNanos();
    this.matches = JobCheck.ranges(plan);
    this.rows = JobCheck.boundedRanges(plan);
  }

  boolean isBounded() {
    return bounded;
  }

  KeysetRanges.Range next(DSLContext dsl, @Nullable String position, int size) {
    began = System.nanoTime();
    found = 0;
    KeysetRanges.Range range = (bounded ? rows : matches).next(dsl, position, size);
    found = System.nanoTime();
    return range;
  }

  /** The chunk was done. */
  void done() {
    judge(System.nanoTime());
  }

  /** The chunk ran into a timeout, in finding or after it. */
  void timedOut() {
    if (began != 0) {
      judge(System.nanoTime());
    }
  }

  private void judge(long now) {
    long finding = (found == 0 ? now : found) - began;
    long working = found == 0 ? 0 : now - found;
    bounded = bounded || (finding > targetNanos && finding > working);
    began = 0;
  }
}
