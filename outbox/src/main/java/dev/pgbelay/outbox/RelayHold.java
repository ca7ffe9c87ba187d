package dev.pgbelay.outbox;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is to be written about one key that is held or has to be.
 *
 * @param fromHeld its messages were read from outbox_held, else from outbox_message
 * @param delivered those in front, if they were held
 * @param failed the first that was not delivered; null if all were
 * @param later what is behind it, if it is not held yet
 */
record RelayHold(
    LaneClaim lane,
    String holdKey,
    boolean fromHeld,
    List<LaneMessage> delivered,
    @Nullable LaneMessage failed,
    @Nullable Delivery failure,
    List<LaneMessage> later) {

  static RelayHold ofOne(LaneMessage message, Delivery failure) {
    return new RelayHold(
        message.lane, message.holdKey(), false, List.of(), message, failure, List.of());
  }

  static RelayHold failed(LaneQueue queue, List<LaneMessage> later) {
    return new RelayHold(
        queue.lane,
        queue.holdKey,
        queue.held,
        takeDelivered(queue),
        queue.failed,
        queue.failure,
        List.copyOf(later));
  }

  static RelayHold deliveredAll(LaneQueue queue) {
    return new RelayHold(
        queue.lane, queue.holdKey, true, takeDelivered(queue), null, null, List.of());
  }

  private static List<LaneMessage> takeDelivered(LaneQueue queue) {
    List<LaneMessage> delivered = List.copyOf(queue.delivered);
    queue.delivered.clear();
    return delivered;
  }
}
