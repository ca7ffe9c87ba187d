package dev.pgbelay.outbox;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which messages are in this process, from when they were read until their row is gone, and how
 * much room is left. Guarded by the window's lock.
 */
final class MessageRoom {
  private final int mostMessages;
  private final long mostBytes;

  /** Those of outbox_message, by id. */
  private final Map<Long, LaneMessage> known = new HashMap<>();

  /** What a look that is under way may still show, although it is gone. */
  private @Nullable Set<Long> ended;

  private long bytes;

  MessageRoom(int mostMessages, long mostBytes) {
    this.mostMessages = mostMessages;
    this.mostBytes = mostBytes;
  }

  int mostMessages() {
    return mostMessages;
  }

  int messagesLeft() {
    return mostMessages - known.size();
  }

  long bytesLeft() {
    return mostBytes - bytes;
  }

  /** Whether a look is worth its statement. */
  boolean suffices() {
    return messagesLeft() >= KeyPlace.LANES && bytes <= mostBytes / 2;
  }

  boolean has(long id) {
    return known.containsKey(id);
  }

  /** From here on it is remembered what is gone, until {@link #endLook}. */
  void beginLook() {
    ended = new HashSet<>();
  }

  /** What was gone since. */
  Set<Long> endLook() {
    Set<Long> gone = ended == null ? Set.of() : ended;
    ended = null;
    return gone;
  }

  /** Ids that a look would find again, as each lane is read from its mark on. */
  List<Long> withinMarks() {
    return known.values().stream()
        .filter(message -> message.id >= message.lane.mark)
        .map(message -> message.id)
        .toList();
  }

  void enter(LaneMessage message) {
    known.put(message.id, message);
    count(message);
  }

  /** One that was read from outbox_held. */
  void enterHeld(LaneMessage message) {
    count(message);
  }

  private void count(LaneMessage message) {
    bytes += message.weight;
    message.lane.here++;
  }

  /** Its row is gone, or it is left where it is. */
  void leave(LaneMessage message) {
    if (message.lane.lost) {
      return;
    }
    boolean wasHeld = message.queue != null && message.queue.held;
    if (wasHeld || known.remove(message.id, message)) {
      message.lane.here--;
      bytes -= message.weight;
      if (!wasHeld && ended != null) {
        ended.add(message.id);
      }
    }
  }

  void clear() {
    if (ended != null) {
      ended.addAll(known.keySet());
    }
    known.clear();
    bytes = 0;
  }
}
