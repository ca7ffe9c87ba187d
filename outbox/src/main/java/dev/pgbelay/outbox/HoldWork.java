package dev.pgbelay.outbox;

import java.util.List;

/**
 * What is to be written about held keys, in this order.
 *
 * @param moves messages of keys that are held
 */
record HoldWork(List<RelayHold> holds, List<LaneMessage> moves) {
  boolean isEmpty() {
    return holds.isEmpty() && moves.isEmpty();
  }
}
