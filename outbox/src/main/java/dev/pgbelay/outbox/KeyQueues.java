package dev.pgbelay.outbox;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which messages may be delivered next: those without key, and of each key its first ones while no
 * call has any of it. Guarded by the window's lock.
 */
final class KeyQueues {
  private final MessageRoom room;
  private final PendingWrites writes;
  private final int batchSize;

  /** Those that flow, by key. */
  private final Map<String, LaneQueue> flowing = new HashMap<>();

  /** What is held, by hold key; messages without key are not among them. */
  private final Map<String, LaneClaim> held = new HashMap<>();

  /** What is held and due, by hold key, while it is here. */
  private final Map<String, LaneQueue> due = new HashMap<>();

  private final Deque<LaneQueue> ready = new ArrayDeque<>();
  private final Deque<LaneMessage> free = new ArrayDeque<>();
  private final Set<String> fullKeys = new HashSet<>();
  private int dispatchable;
  private boolean freeNext;

  KeyQueues(MessageRoom room, PendingWrites writes, int batchSize) {
    this.room = room;
    this.writes = writes;
    this.batchSize = batchSize;
  }

  /** How many messages could be begun. */
  int dispatchable() {
    return dispatchable;
  }

  // What comes in.

  /** False if enough of its key is here. */
  boolean accept(LaneMessage message) {
    String key = message.key();
    if (key == null) {
      free.add(message);
      dispatchable++;
    } else if (held.containsKey(message.holdKey())) {
      writes.move(message);
    } else {
      LaneQueue queue = flowing(message, key);
      if (fullKeys.contains(key) || queue.here >= mostOfKey()) {
        fullKeys.add(key);
        return false;
      }
      add(queue, message);
    }
    room.enter(message);
    return true;
  }

  private LaneQueue flowing(LaneMessage message, String key) {
    return flowing.computeIfAbsent(
        key, absent -> new LaneQueue(message.lane, message.holdKey(), false));
  }

  private void add(LaneQueue queue, LaneMessage message) {
    message.queue = queue;
    queue.here++;
    queue.waiting.add(message);
    if (!queue.running) {
      dispatchable++;
      if (queue.waiting.size() == 1) {
        ready.add(queue);
      }
    }
  }

  /** Of one key: enough for its next calls, and less when others need the room. */
  private int mostOfKey() {
    int most = Math.max(2 * batchSize, room.mostMessages() / 16);
    int least = Math.min(batchSize, 16);
    return Math.max(least, Math.min(most, room.messagesLeft() / 8));
  }

  /** Keys of which a look should bring no more, by lane. */
  Map<Integer, Set<String>> fullKeys() {
    fullKeys.removeIf(
        key -> {
          LaneQueue queue = flowing.get(key);
          return queue == null || queue.here < mostOfKey() / 2;
        });
    Map<Integer, Set<String>> byLane = new HashMap<>();
    fullKeys.forEach(
        key -> byLane.computeIfAbsent(KeyPlace.lane(key), any -> new HashSet<>()).add(key));
    return byLane;
  }

  // Calls.

  /** Up to so many for one call, turn by turn first those with and those without key. */
  List<LaneMessage> take(int most) {
    List<LaneMessage> call = new ArrayList<>(most);
    freeNext = !freeNext;
    if (freeNext) {
      takeFree(call, most);
      takeKeyed(call, most);
    } else {
      takeKeyed(call, most);
      takeFree(call, most);
    }
    return call;
  }

  private void takeFree(List<LaneMessage> call, int most) {
    while (call.size() < most && !free.isEmpty()) {
      call.add(free.remove());
      dispatchable--;
    }
  }

  private void takeKeyed(List<LaneMessage> call, int most) {
    while (call.size() < most && !ready.isEmpty()) {
      LaneQueue queue = ready.remove();
      queue.running = true;
      dispatchable -= queue.waiting.size();
      while (call.size() < most && !queue.waiting.isEmpty()) {
        call.add(queue.waiting.remove());
      }
    }
  }

  /**
   * They were not delivered, and nothing is known of them.
   *
   * @param running queues of which the same call has others
   */
  void putBack(List<LaneMessage> messages, Set<LaneQueue> running) {
    Set<LaneQueue> again = new LinkedHashSet<>();
    for (int i = messages.size() - 1; i >= 0; i--) {
      putBack(messages.get(i), again);
    }
    again.removeAll(running);
    again.forEach(this::runsNoMore);
  }

  private void putBack(LaneMessage message, Set<LaneQueue> again) {
    if (message.lane.lost) {
      return;
    }
    LaneQueue queue = message.queue;
    if (message.lane.draining) {
      room.leave(message);
      if (queue != null) {
        queue.here--;
        queue.forgotten = true;
        again.add(queue);
      }
    } else if (queue == null) {
      free.addFirst(message);
      dispatchable++;
    } else {
      queue.waiting.addFirst(message);
      again.add(queue);
    }
  }

  /**
   * A call that had messages of this key has ended.
   *
   * @param later those of the call that come behind one that was not delivered
   */
  void ended(LaneQueue queue, List<LaneMessage> later) {
    if (queue.failed == null) {
      runsNoMore(queue);
      return;
    }
    // From here on looks move what they find of this key, behind this in the order of writing.
    later.addAll(queue.waiting);
    queue.waiting.clear();
    writes.hold(RelayHold.failed(queue, later));
    if (!queue.held) {
      flowing.remove(keyOf(queue), queue);
      held.put(queue.holdKey, queue.lane);
    }
  }

  private void runsNoMore(LaneQueue queue) {
    queue.running = false;
    if (!queue.waiting.isEmpty()) {
      dispatchable += queue.waiting.size();
      ready.add(queue);
    } else if (queue.held && queue.forgotten && queue.delivered.isEmpty()) {
      // Nothing has become of it: its attempts and its pause are what they were.
      due.remove(queue.holdKey, queue);
    } else if (queue.held) {
      writes.hold(RelayHold.deliveredAll(queue));
      writes.tellOfHolds();
    } else {
      flowing.remove(keyOf(queue), queue);
    }
  }

  private static String keyOf(LaneQueue queue) {
    return queue.holdKey.substring(2);
  }

  // Held keys.

  void addHeld(Map<String, LaneClaim> keys) {
    held.putAll(keys);
  }

  int heldKeys() {
    return held.size();
  }

  /** Nothing is held of these any more: they flow again. */
  void release(Collection<String> holdKeys) {
    holdKeys.forEach(held::remove);
    for (LaneMessage message : writes.takeMoves(one -> holdKeys.contains(one.holdKey()))) {
      add(flowing(message, String.valueOf(message.key())), message);
    }
  }

  Collection<String> due() {
    return due.keySet();
  }

  void addDue(LaneClaim lane, String holdKey, List<LaneMessage> messages) {
    if (due.containsKey(holdKey)) {
      return;
    }
    LaneQueue queue = new LaneQueue(lane, holdKey, true);
    due.put(holdKey, queue);
    if (messages.isEmpty()) {
      writes.hold(RelayHold.deliveredAll(queue));
    }
    for (LaneMessage message : messages) {
      add(queue, message);
      room.enterHeld(message);
    }
  }

  void removeDue(String holdKey) {
    due.remove(holdKey);
  }

  // Lanes that go.

  /** What of it is not under way is forgotten. */
  void forgetWaiting(LaneClaim claim) {
    for (Iterator<LaneMessage> each = free.iterator(); each.hasNext(); ) {
      LaneMessage message = each.next();
      if (message.lane == claim) {
        each.remove();
        dispatchable--;
        room.leave(message);
      }
    }
    ready.removeIf(queue -> queue.lane == claim);
    forgetWaiting(flowing, claim);
    forgetWaiting(due, claim);
    writes.tellOfHolds();
    writes.takeMoves(message -> message.lane == claim).forEach(room::leave);
  }

  private void forgetWaiting(Map<String, LaneQueue> of, LaneClaim claim) {
    for (Iterator<LaneQueue> each = of.values().iterator(); each.hasNext(); ) {
      LaneQueue queue = each.next();
      if (queue.lane == claim) {
        if (!queue.running) {
          dispatchable -= queue.waiting.size();
        }
        queue.here -= queue.waiting.size();
        queue.waiting.forEach(room::leave);
        queue.waiting.clear();
        if (!queue.running && queue.delivered.isEmpty()) {
          each.remove();
        } else if (!queue.running) {
          writes.hold(RelayHold.deliveredAll(queue));
        }
      }
    }
  }

  /** Its lanes are somebody else's. */
  void forgetHeld(Collection<LaneClaim> claims) {
    held.values().removeIf(claims::contains);
  }

  void clear() {
    flowing.clear();
    held.clear();
    due.clear();
    ready.clear();
    free.clear();
    fullKeys.clear();
    dispatchable = 0;
  }
}
