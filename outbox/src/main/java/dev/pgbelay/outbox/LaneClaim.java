package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.Fence;
import java.util.Set;

/** A lane from when this relay has taken it until it is released or lost. */
final class LaneClaim {
  final int lane;
  final Fence fence;

  /** As messages carry it. */
  final String name;

  /** Nothing of it may be begun or written any more. */
  volatile boolean lost;

  /** It is to be released: nothing more of it is begun. Guarded by the window's lock. */
  boolean draining;

  /** How many messages of it are in this process. Guarded by the window's lock. */
  int here;

  /** All messages below are here or gone, and no other will appear. Used by the look alone. */
  long mark;

  /**
   * Between the mark and here nothing is left but messages of these keys, and no other will appear:
   * a key of which enough is in memory may have a million more. Used by the look alone.
   */
  long passed;

  Set<String> passedKeys = Set.of();

  /** Where the next look begins. Used by the look alone. */
  long begin;

  /** How many messages the next look may bring. Used by the look alone. */
  int share;

  /**
   * Looks begin here while of these keys no more is wanted.
   *
   * @param full of this lane
   */
  void beginBehind(Set<String> full) {
    begin = full.containsAll(passedKeys) ? Math.max(mark, passed) : mark;
  }

  /** Everything below is here, gone, or of these keys. */
  void complete(long upTo, Set<String> full) {
    if (full.isEmpty()) {
      mark = Math.max(mark, upTo);
    } else if (upTo > passed) {
      passed = upTo;
      passedKeys = full;
    }
  }

  /** Looks begin at the front again. */
  void forgetMarks() {
    mark = 0;
    passed = 0;
    passedKeys = Set.of();
  }

  LaneClaim(int lane, Fence fence) {
    this.lane = lane;
    this.fence = fence;
    this.name = fence.toString();
  }
}
