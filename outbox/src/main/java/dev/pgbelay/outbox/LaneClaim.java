package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.Fence;

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

  /** How many messages the next look may bring. Used by the look alone. */
  int share;

  LaneClaim(int lane, Fence fence) {
    this.lane = lane;
    this.fence = fence;
    this.name = fence.toString();
  }
}
