package dev.pgbelay.outbox;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * What one relay has in memory of one destination: its lanes, a bounded number of their messages,
 * and what became of those until it is written. Safe for several threads; never blocks on the
 * database.
 */
final class RelayWindow {
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final int mostMessages;
  private final long mostBytes;
  private final int batchSize;
  private final DestinationPause pause;

  private final Map<Integer, LaneClaim> lanes = new TreeMap<>();

  /** By id: those of outbox_message, from when they were read until their row is gone. */
  private final Map<Long, LaneMessage> known = new HashMap<>();

  /** Those that flow, by key. */
  private final Map<String, LaneQueue> queues = new HashMap<>();

  private final Deque<LaneQueue> ready = new ArrayDeque<>();
  private final Deque<LaneMessage> free = new ArrayDeque<>();

  /** What is held, by hold key; those of messages without key are not among them. */
  private final Map<String, LaneClaim> heldKeys = new HashMap<>();

  /** What is held and due, by hold key, while it is here. */
  private final Map<String, LaneQueue> due = new HashMap<>();

  private final Set<String> fullKeys = new HashSet<>();
  private final Deque<LaneMessage> acks = new ArrayDeque<>();
  private List<RelayHold> holds = new ArrayList<>();
  private Deque<LaneMessage> moves = new ArrayDeque<>();

  /** What a look that is under way may still show, although it is gone. */
  private @Nullable Set<Long> ended;

  private long bytes;
  private int dispatchable;
  private int running;
  private boolean freeNext;

  /** There was no room for a look, or it left something. */
  private boolean lookWanted;

  private boolean stopped;
  private Runnable roomFound = () -> {};
  private Runnable ackFound = () -> {};
  private Runnable holdFound = () -> {};

  RelayWindow(int mostMessages, long mostBytes, Destination destination) {
    this.mostMessages = mostMessages;
    this.mostBytes = mostBytes;
    this.batchSize = destination.publisher().batchSize();
    this.pause = new DestinationPause(destination.mostHeldKeys(), destination.pauses());
  }

  /** Whom to wake; before anything else. */
  void wakes(Runnable look, Runnable ack, Runnable hold) {
    this.roomFound = look;
    this.ackFound = ack;
    this.holdFound = hold;
  }

  // Lanes.

  /**
   * From now on these are looked at.
   *
   * @param held hold keys of these lanes
   */
  void add(Collection<LaneClaim> claims, Map<String, LaneClaim> held) {
    lock.lock();
    try {
      claims.forEach(claim -> lanes.put(claim.lane, claim));
      heldKeys.putAll(held);
    } finally {
      lock.unlock();
    }
  }

  /** How many there are that are not about to be released. */
  int owned() {
    lock.lock();
    try {
      return (int) lanes.values().stream().filter(claim -> !claim.draining).count();
    } finally {
      lock.unlock();
    }
  }

  List<Integer> numbers() {
    lock.lock();
    try {
      return List.copyOf(lanes.keySet());
    } finally {
      lock.unlock();
    }
  }

  int lanes() {
    lock.lock();
    try {
      return lanes.size();
    } finally {
      lock.unlock();
    }
  }

  /** So many are to be released: what of them is not under way is forgotten. */
  void drain(int count) {
    lock.lock();
    try {
      int left = count;
      for (LaneClaim claim : lanes.values()) {
        if (left > 0 && !claim.draining) {
          claim.draining = true;
          forgetWaiting(claim);
          left--;
        }
      }
    } finally {
      lock.unlock();
    }
  }

  private void forgetWaiting(LaneClaim claim) {
    for (Iterator<LaneMessage> each = free.iterator(); each.hasNext(); ) {
      LaneMessage message = each.next();
      if (message.lane == claim) {
        each.remove();
        dispatchable--;
        settle(message);
      }
    }
    ready.removeIf(queue -> queue.lane == claim);
    forgetWaiting(queues, claim);
    forgetWaiting(due, claim);
    for (Iterator<LaneMessage> each = moves.iterator(); each.hasNext(); ) {
      LaneMessage message = each.next();
      if (message.lane == claim) {
        each.remove();
        settle(message);
      }
    }
  }

  private void forgetWaiting(Map<String, LaneQueue> of, LaneClaim claim) {
    for (Iterator<LaneQueue> each = of.values().iterator(); each.hasNext(); ) {
      LaneQueue queue = each.next();
      if (queue.lane == claim) {
        if (!queue.running) {
          dispatchable -= queue.waiting.size();
          queue.delivered.forEach(this::settle);
          queue.delivered.clear();
          each.remove();
        }
        queue.here -= queue.waiting.size();
        queue.waiting.forEach(this::settle);
        queue.waiting.clear();
      }
    }
  }

  /** Those to be released of which nothing is here any more. */
  List<LaneClaim> drained() {
    lock.lock();
    try {
      return lanes.values().stream().filter(claim -> claim.draining && claim.here == 0).toList();
    } finally {
      lock.unlock();
    }
  }

  /** They are released. */
  void remove(Collection<LaneClaim> claims) {
    lock.lock();
    try {
      for (LaneClaim claim : claims) {
        claim.lost = true;
        lanes.remove(claim.lane, claim);
        heldKeys.values().removeIf(of -> of == claim);
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * All lanes are gone, and everything with them.
   *
   * @return how many messages were here
   */
  int lose() {
    lock.lock();
    try {
      lanes.values().forEach(claim -> claim.lost = true);
      int here = lanes.values().stream().mapToInt(claim -> claim.here).sum();
      lanes.clear();
      if (ended != null) {
        ended.addAll(known.keySet());
      }
      known.clear();
      queues.clear();
      ready.clear();
      free.clear();
      heldKeys.clear();
      due.clear();
      fullKeys.clear();
      acks.clear();
      holds = new ArrayList<>();
      moves = new ArrayDeque<>();
      bytes = 0;
      dispatchable = 0;
      return here;
    } finally {
      lock.unlock();
    }
  }

  /** Calls of the publisher that are under way. */
  int running() {
    lock.lock();
    try {
      return running;
    } finally {
      lock.unlock();
    }
  }

  /** Messages in this process. */
  int here() {
    lock.lock();
    try {
      return lanes.values().stream().mapToInt(claim -> claim.here).sum();
    } finally {
      lock.unlock();
    }
  }

  /** Keys that are known to be held. */
  int heldKeys() {
    lock.lock();
    try {
      return heldKeys.size();
    } finally {
      lock.unlock();
    }
  }

  boolean isPaused() {
    lock.lock();
    try {
      return pause.isOn();
    } finally {
      lock.unlock();
    }
  }

  // Looks.

  /**
   * What a look has to know.
   *
   * @param lanes which
   * @param room for so many messages
   * @param bytes for so many bytes
   * @param excluded ids that are here already
   * @param fullKeys keys of which enough is here
   */
  record Plan(
      List<LaneClaim> lanes, int room, long bytes, List<Long> excluded, List<String> fullKeys) {}

  /** Null while enough is here, or nothing would be delivered. */
  @Nullable Plan beginLook() {
    lock.lock();
    try {
      int room = mostMessages - known.size();
      if (stopped
          || pause.isOn()
          || dispatchable > mostMessages / 4
          || room < KeyPlace.LANES
          || bytes > mostBytes / 2) {
        lookWanted = true;
        return null;
      }
      List<LaneClaim> from = lanes.values().stream().filter(claim -> !claim.draining).toList();
      if (from.isEmpty()) {
        return null;
      }
      lookWanted = false;
      ended = new HashSet<>();
      List<Long> excluded =
          known.values().stream()
              .filter(message -> message.id >= message.lane.mark)
              .map(message -> message.id)
              .toList();
      fullKeys.removeIf(
          key -> {
            LaneQueue queue = queues.get(key);
            return queue == null || queue.here < mostOfKey() / 2;
          });
      return new Plan(from, room, mostBytes - bytes, excluded, List.copyOf(fullKeys));
    } finally {
      lock.unlock();
    }
  }

  /** Of one key: enough for its next calls, and less when others need the room. */
  private int mostOfKey() {
    int most = Math.max(2 * batchSize, mostMessages / 16);
    int least = Math.min(batchSize, 16);
    return Math.max(least, Math.min(most, (mostMessages - known.size()) / 8));
  }

  /**
   * What a look has found, in the order of ids of each lane.
   *
   * @return the least id of each lane that was left where it is; lanes that are missing left none
   */
  Map<LaneClaim, Long> endLook(List<LaneMessage> found) {
    lock.lock();
    try {
      Set<Long> gone = ended == null ? Set.of() : ended;
      ended = null;
      Map<LaneClaim, Long> left = new HashMap<>();
      for (LaneMessage message : found) {
        if (gone.contains(message.id) || known.containsKey(message.id)) {
          continue;
        }
        if (lanes.get(message.lane.lane) != message.lane
            || message.lane.draining
            || !accept(message)) {
          left.putIfAbsent(message.lane, message.id);
        }
      }
      lookWanted |= !left.isEmpty();
      changed.signalAll();
      return left;
    } finally {
      lock.unlock();
    }
  }

  /** A message without key that this process has appended itself. */
  boolean handOver(LaneMessage message) {
    lock.lock();
    try {
      if (stopped
          || message.key() != null
          || lanes.get(message.lane.lane) != message.lane
          || message.lane.draining
          || known.size() >= mostMessages
          || bytes >= mostBytes
          || known.containsKey(message.id)
          || !accept(message)) {
        return false;
      }
      changed.signal();
      return true;
    } finally {
      lock.unlock();
    }
  }

  private boolean accept(LaneMessage message) {
    String key = message.key();
    if (key == null) {
      free.add(message);
      dispatchable++;
    } else if (heldKeys.containsKey(message.holdKey())) {
      moves.add(message);
      holdFound.run();
    } else {
      LaneQueue queue =
          queues.computeIfAbsent(
              key, absent -> new LaneQueue(message.lane, message.holdKey(), false));
      if (fullKeys.contains(key) || queue.here >= mostOfKey()) {
        fullKeys.add(key);
        return false;
      }
      addTo(queue, message);
    }
    known.put(message.id, message);
    bytes += message.weight;
    message.lane.here++;
    return true;
  }

  private void addTo(LaneQueue queue, LaneMessage message) {
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

  // Dispatch.

  /** Waits for messages, at most so long; how many may be begun, none if it was in vain. */
  int await(long nanos) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      long until = System.nanoTime() + nanos;
      while (!stopped && available() == 0) {
        long left = until - System.nanoTime();
        long paused = pause.nanosLeft();
        if (left <= 0) {
          break;
        }
        long ignored = changed.awaitNanos(paused > 0 ? Math.min(left, paused) : left);
      }
      return available();
    } finally {
      lock.unlock();
    }
  }

  private int available() {
    return stopped ? 0 : pause.admits(dispatchable);
  }

  boolean isStopped() {
    lock.lock();
    try {
      return stopped;
    } finally {
      lock.unlock();
    }
  }

  /** Up to so many messages for one call, which ends with {@link #done} or {@link #giveBack}. */
  List<LaneMessage> take(int most) {
    lock.lock();
    try {
      int left = Math.min(most, available());
      if (left == 0) {
        return List.of();
      }
      List<LaneMessage> call = new ArrayList<>(left);
      freeNext = !freeNext;
      if (freeNext) {
        takeFree(call, left);
        takeKeyed(call, left);
      } else {
        takeKeyed(call, left);
        takeFree(call, left);
      }
      pause.begun();
      running++;
      if (dispatchable > 0) {
        changed.signal();
      }
      return call;
    } finally {
      lock.unlock();
    }
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

  /** A call that was not made, or of which nothing is known; no attempt is counted. */
  void giveBack(List<LaneMessage> call) {
    lock.lock();
    try {
      running--;
      pause.endedWithoutResult();
      Set<LaneQueue> again = new LinkedHashSet<>();
      for (int i = call.size() - 1; i >= 0; i--) {
        putBack(call.get(i), again);
      }
      again.forEach(this::runsNoMore);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The last ones of a call are not delivered with it. */
  void giveBackRest(List<LaneMessage> rest, List<LaneMessage> call) {
    Set<LaneQueue> going = new HashSet<>();
    call.forEach(
        message -> {
          if (message.queue != null) {
            going.add(message.queue);
          }
        });
    lock.lock();
    try {
      Set<LaneQueue> again = new LinkedHashSet<>();
      for (int i = rest.size() - 1; i >= 0; i--) {
        putBack(rest.get(i), again);
      }
      again.removeAll(going);
      again.forEach(this::runsNoMore);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void putBack(LaneMessage message, Set<LaneQueue> again) {
    if (message.lane.lost) {
      return;
    }
    LaneQueue queue = message.queue;
    if (message.lane.draining) {
      settle(message);
      if (queue != null) {
        queue.here--;
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

  private void runsNoMore(LaneQueue queue) {
    queue.running = false;
    if (!queue.waiting.isEmpty()) {
      dispatchable += queue.waiting.size();
      ready.add(queue);
    } else if (queue.held) {
      holds.add(RelayHold.deliveredAll(queue));
      holdFound.run();
    } else {
      queues.remove(keyOf(queue), queue);
    }
  }

  private static String keyOf(LaneQueue queue) {
    return queue.holdKey.substring(2);
  }

  /** What became of a call: how many were delivered, failed, were rejected, and came too late. */
  record Counts(int delivered, int failed, int rejected, int stale) {}

  /** A call has ended, with a result for each message. */
  Counts done(List<LaneMessage> call, List<Delivery> results) {
    lock.lock();
    try {
      running--;
      int delivered = 0;
      int failed = 0;
      int rejected = 0;
      int stale = 0;
      Map<LaneQueue, List<LaneMessage>> later = new LinkedHashMap<>();
      for (int i = 0; i < call.size(); i++) {
        LaneMessage message = call.get(i);
        Delivery result = results.get(i);
        LaneQueue queue = message.queue;
        if (message.lane.lost) {
          stale++;
          continue;
        }
        if (queue != null) {
          queue.here--;
          later.computeIfAbsent(queue, first -> new ArrayList<>());
        }
        if (result.outcome() == Delivery.Outcome.DELIVERED) {
          delivered++;
          message.payload = null;
          if (queue != null && queue.held) {
            queue.delivered.add(message);
          } else {
            acks.add(message);
          }
        } else if (queue != null && queue.failed != null) {
          later.computeIfAbsent(queue, first -> new ArrayList<>()).add(message);
        } else {
          if (result.outcome() == Delivery.Outcome.FAILED) {
            failed++;
          } else {
            rejected++;
          }
          if (queue == null) {
            holds.add(RelayHold.ofOne(message, result));
          } else {
            queue.failed = message;
            queue.failure = result;
          }
        }
      }
      later.forEach(this::ended);
      pause.ended(delivered, failed);
      if (!acks.isEmpty()) {
        ackFound.run();
      }
      if (!holds.isEmpty()) {
        holdFound.run();
      }
      if (lookWanted && dispatchable <= mostMessages / 4) {
        roomFound.run();
      }
      changed.signalAll();
      return new Counts(delivered, failed, rejected, stale);
    } finally {
      lock.unlock();
    }
  }

  private void ended(LaneQueue queue, List<LaneMessage> later) {
    if (queue.failed == null) {
      runsNoMore(queue);
      return;
    }
    // From here on looks move what they find of this key, behind this in the order of writing.
    later.addAll(queue.waiting);
    queue.waiting.clear();
    holds.add(RelayHold.failed(queue, later));
    if (!queue.held) {
      queues.remove(keyOf(queue), queue);
      heldKeys.put(queue.holdKey, queue.lane);
    }
  }

  // What is to be written.

  /** What was delivered and is not acknowledged. */
  List<LaneMessage> takeAcks(int most) {
    lock.lock();
    try {
      List<LaneMessage> taken = new ArrayList<>(Math.min(most, acks.size()));
      while (taken.size() < most && !acks.isEmpty()) {
        taken.add(acks.remove());
      }
      return taken;
    } finally {
      lock.unlock();
    }
  }

  /** Their rows are gone from outbox_message or outbox_held, or will be left there. */
  void settled(Collection<LaneMessage> messages) {
    lock.lock();
    try {
      messages.forEach(this::settle);
      if (lookWanted && dispatchable <= mostMessages / 4) {
        roomFound.run();
      }
    } finally {
      lock.unlock();
    }
  }

  private void settle(LaneMessage message) {
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

  HoldWork takeHolds() {
    lock.lock();
    try {
      HoldWork work = new HoldWork(holds, new ArrayList<>(moves));
      holds = new ArrayList<>();
      moves = new ArrayDeque<>();
      return work;
    } finally {
      lock.unlock();
    }
  }

  /** What is held of these is not here any more. */
  void leave(Collection<RelayHold> written) {
    lock.lock();
    try {
      for (RelayHold hold : written) {
        if (hold.fromHeld()) {
          due.remove(hold.holdKey());
        }
      }
    } finally {
      lock.unlock();
    }
  }

  /** Nothing is held of these keys any more: they flow again. */
  void release(Collection<String> released) {
    lock.lock();
    try {
      for (String holdKey : released) {
        heldKeys.remove(holdKey);
      }
      if (!moves.isEmpty()) {
        Deque<LaneMessage> before = moves;
        moves = new ArrayDeque<>();
        for (LaneMessage message : before) {
          if (released.contains(message.holdKey())) {
            addTo(
                queues.computeIfAbsent(
                    String.valueOf(message.key()),
                    key -> new LaneQueue(message.lane, message.holdKey(), false)),
                message);
          } else {
            moves.add(message);
          }
        }
      }
      roomFound.run();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Hold keys that are here because they are due; null where no more should be read. */
  @Nullable List<String> beginDue() {
    lock.lock();
    try {
      return stopped || bytes > mostBytes || due.size() >= 1_000 || pause.nanosLeft() > 0
          ? null
          : List.copyOf(due.keySet());
    } finally {
      lock.unlock();
    }
  }

  List<LaneClaim> looked() {
    lock.lock();
    try {
      return lanes.values().stream().filter(claim -> !claim.draining).toList();
    } finally {
      lock.unlock();
    }
  }

  /** A key's first messages, whose pause is over. */
  void addDue(LaneClaim lane, String holdKey, List<LaneMessage> messages) {
    lock.lock();
    try {
      if (stopped || lane.lost || lane.draining || due.containsKey(holdKey)) {
        return;
      }
      LaneQueue queue = new LaneQueue(lane, holdKey, true);
      due.put(holdKey, queue);
      if (messages.isEmpty()) {
        holds.add(RelayHold.deliveredAll(queue));
      }
      for (LaneMessage message : messages) {
        addTo(queue, message);
        lane.here++;
        bytes += message.weight;
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  // The end.

  /** Nothing more is begun; what waits is forgotten. */
  void stop() {
    lock.lock();
    try {
      stopped = true;
      for (LaneClaim claim : lanes.values()) {
        claim.draining = true;
        forgetWaiting(claim);
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Waits until no call is under way. */
  boolean awaitIdle(long nanos) throws InterruptedException {
    long until = System.nanoTime() + nanos;
    while (running() > 0) {
      if (until - System.nanoTime() <= 0) {
        return false;
      }
      TimeUnit.MILLISECONDS.sleep(2);
    }
    return true;
  }

  /** Delivered or failed, and not written. */
  int unwritten() {
    lock.lock();
    try {
      return acks.size() + holds.size();
    } finally {
      lock.unlock();
    }
  }
}
