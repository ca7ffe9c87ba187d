package dev.pgbelay.outbox;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The messages of one key in this process, in their order; at most one call has some of them.
 * Guarded by the window's lock.
 */
final class LaneQueue {
  final LaneClaim lane;
  final String holdKey;

  /** They are held, and were read from there because their pause is over. */
  final boolean held;

  final Deque<LaneMessage> waiting = new ArrayDeque<>();

  /** Delivered and still held. */
  final List<LaneMessage> delivered = new ArrayList<>();

  boolean running;

  /** Some of its messages were forgotten, neither delivered nor failed: their lane goes. */
  boolean forgotten;

  /** How many of its messages are here, wherever. */
  int here;

  /** In the call that is under way; null while none has failed. */
  @Nullable LaneMessage failed;

  @Nullable Delivery failure;

  LaneQueue(LaneClaim lane, String holdKey, boolean held) {
    this.lane = lane;
    this.holdKey = holdKey;
    this.held = held;
  }
}
