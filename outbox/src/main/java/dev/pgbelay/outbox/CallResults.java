package dev.pgbelay.outbox;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Sorts what became of the messages of one call of the publisher. Guarded by the window's lock. */
final class CallResults {
  private final PendingWrites writes;

  /** Those behind one that was not delivered, for each key that the call had. */
  private final Map<LaneQueue, List<LaneMessage>> later = new LinkedHashMap<>();

  private int delivered;
  private int failed;
  private int rejected;
  private int stale;

  CallResults(PendingWrites writes) {
    this.writes = writes;
  }

  /** How many were delivered, failed, were rejected, and came too late. */
  record Counts(int delivered, int failed, int rejected, int stale) {}

  /** In the order of the call. */
  void add(LaneMessage message, Delivery result) {
    LaneQueue queue = message.queue;
    if (message.lane.lost) {
      stale++;
      return;
    }
    List<LaneMessage> behind = null;
    if (queue != null) {
      queue.here--;
      behind = later.computeIfAbsent(queue, first -> new ArrayList<>());
    }
    if (result.outcome() == Delivery.Outcome.DELIVERED) {
      delivered++;
      message.payload = null;
      if (queue != null && queue.held) {
        queue.delivered.add(message);
      } else {
        writes.delivered(message);
      }
    } else if (queue != null && behind != null && queue.failed != null) {
      behind.add(message);
    } else {
      failed(message, result);
    }
  }

  private void failed(LaneMessage message, Delivery result) {
    if (result.outcome() == Delivery.Outcome.FAILED) {
      failed++;
    } else {
      rejected++;
    }
    LaneQueue queue = message.queue;
    if (queue == null) {
      writes.hold(RelayHold.ofOne(message, result));
    } else {
      queue.failed = message;
      queue.failure = result;
    }
  }

  Map<LaneQueue, List<LaneMessage>> laterOfKeys() {
    return later;
  }

  Counts counts() {
    return new Counts(delivered, failed, rejected, stale);
  }
}
