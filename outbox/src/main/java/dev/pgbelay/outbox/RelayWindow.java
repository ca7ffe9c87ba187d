package dev.pgbelay.outbox;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What one relay has in memory of one destination: its lanes, a bounded number of their messages,
 * and what became of those until it is written. Safe for several threads; never blocks on the
 * database.
 */
final class RelayWindow {
  private final WindowLock lock = new WindowLock();
  private final DestinationPause pause;
  private final LaneClaims lanes = new LaneClaims();
  private final MessageRoom room;
  private final PendingWrites writes = new PendingWrites();
  private final KeyQueues queues;
  private final FreeIds foundFree = new FreeIds();
  private final WindowCalls calls;
  private final HandOvers handOvers =
      new HandOvers(lock, lanes, foundFree, this::acceptOfThisProcess);

  /** There was no room for a look, or it left something. */
  private boolean lookWanted;

  private boolean stopped;
  private Runnable roomFound = () -> {};

  RelayWindow(int mostMessages, long mostBytes, Destination destination) {
    this.pause = new DestinationPause(destination.mostHeldKeys(), destination.pauses());
    this.room = new MessageRoom(mostMessages, mostBytes);
    this.queues = new KeyQueues(room, writes, destination.publisher().batchSize());
    this.calls = new WindowCalls(lock, queues, writes, pause, this::tellOfRoom);
  }

  /** Whom to wake; before anything else. */
  void wakes(Runnable look, Runnable ack, Runnable hold) {
    this.roomFound = look;
    writes.wakes(ack, hold);
  }

  // Lanes.

  /**
   * From now on these are looked at.
   *
   * @param held hold keys of these lanes
   */
  void add(Collection<LaneClaim> claims, Map<String, LaneClaim> held) {
    lock.change(
        () -> {
          lanes.add(claims);
          queues.addHeld(held);
        });
  }

  /** How many there are that are not about to be released. */
  int owned() {
    return lock.locked(() -> lanes.open().size());
  }

  List<Integer> numbers() {
    return lock.locked(lanes::numbers);
  }

  int lanes() {
    return lock.locked(lanes::size);
  }

  /** Lanes that are looked at. */
  List<LaneClaim> looked() {
    return lock.locked(lanes::open);
  }

  /** So many are to be released: what of them is not under way is forgotten. */
  void drain(int count) {
    lock.change(() -> lanes.drain(count).forEach(queues::forgetWaiting));
  }

  /** Those to be released of which nothing is here any more. */
  List<LaneClaim> drained() {
    return lock.locked(lanes::drained);
  }

  /** They are released. */
  void remove(Collection<LaneClaim> claims) {
    lock.change(
        () -> {
          lanes.remove(claims);
          queues.forgetHeld(claims);
        });
  }

  /**
   * All lanes are gone, and everything with them.
   *
   * @return how many messages were here
   */
  int lose() {
    return lock.locked(
        () -> {
          int here = lanes.here();
          lanes.lose();
          room.clear();
          queues.clear();
          writes.clear();
          return here;
        });
  }

  /** Places for messages that this process appends itself. */
  HandOvers handOvers() {
    return handOvers;
  }

  /** What is done with messages between a look and the writing. */
  WindowCalls calls() {
    return calls;
  }

  /** Calls of the publisher that are under way. */
  int running() {
    return calls.running();
  }

  /** Messages in this process. */
  int here() {
    return lock.locked(lanes::here);
  }

  /** Keys that are known to be held. */
  int heldKeys() {
    return lock.locked(queues::heldKeys);
  }

  boolean isPaused() {
    return lock.locked(pause::isOn);
  }

  // Looks.

  /** Null while enough is here, or nothing would be delivered. */
  @Nullable LookPlan beginLook() {
    return lock.<@Nullable LookPlan>locked(
        () -> {
          if (mayNotTakeIn()) {
            lookWanted = true;
            return null;
          }
          List<LaneClaim> from = lanes.open();
          if (from.isEmpty()) {
            return null;
          }
          lookWanted = false;
          room.beginLook();
          return new LookPlan(
              from, room.messagesLeft(), room.bytesLeft(), room.withinMarks(), queues.fullKeys());
        });
  }

  private boolean acceptOfThisProcess(LaneMessage message) {
    return !mayNotTakeIn() && queues.accept(message);
  }

  private boolean mayNotTakeIn() {
    return stopped || pause.isOn() || enoughWaits() || !room.suffices();
  }

  private boolean enoughWaits() {
    return queues.dispatchable() > room.mostMessages() / 4;
  }

  private void tellOfRoom() {
    if (lookWanted && !enoughWaits()) {
      roomFound.run();
    }
  }

  /**
   * What a look has found, in the order of ids of each lane.
   *
   * @return the least id of each lane that was left where it is; lanes that are missing left none
   */
  Map<LaneClaim, Long> endLook(List<LaneMessage> found) {
    return lock.locked(
        () -> {
          Set<Long> gone = room.endLook();
          Map<LaneClaim, Long> left = new HashMap<>();
          for (LaneMessage message : found) {
            if (gone.contains(message.id) || room.has(message.id)) {
              continue;
            }
            if (!lanes.isOpen(message.lane) || !queues.accept(message)) {
              left.putIfAbsent(message.lane, message.id);
            } else if (message.key() == null) {
              foundFree.add(message.id);
            }
          }
          lookWanted |= !left.isEmpty();
          lock.wakeAll();
          return left;
        });
  }

  // What is to be written.

  /** What was delivered and is not acknowledged. */
  List<LaneMessage> takeAcks(int most) {
    return lock.locked(() -> writes.takeAcks(most));
  }

  /** Their rows are gone from outbox_message or outbox_held, or will be left there. */
  void settled(Collection<LaneMessage> messages) {
    lock.change(
        () -> {
          messages.forEach(room::leave);
          tellOfRoom();
        });
  }

  HoldWork takeHolds() {
    return lock.locked(writes::takeHolds);
  }

  /** What is held of these is not here any more. */
  void leave(Collection<RelayHold> written) {
    lock.change(
        () -> {
          for (RelayHold hold : written) {
            if (hold.fromHeld()) {
              queues.removeDue(hold.holdKey());
            }
          }
        });
  }

  /** Nothing is held of these keys any more: they flow again. */
  void release(Collection<String> released) {
    lock.change(
        () -> {
          queues.release(released);
          roomFound.run();
          lock.wakeAll();
        });
  }

  /** Hold keys that are here because they are due; null where no more should be read. */
  @Nullable List<String> beginDue() {
    return lock.<@Nullable List<String>>locked(
        () ->
            stopped || room.bytesLeft() < 0 || queues.due().size() >= 1_000 || pause.nanosLeft() > 0
                ? null
                : List.copyOf(queues.due()));
  }

  /** How many messages of a key may be read then, so that what is here stays within its bytes. */
  int mostDueOfKey() {
    return lock.locked(
        () -> (int) Math.max(1, Math.min(100, room.bytesLeft() / (DueSql.MOST_KEYS * 5_000L))));
  }

  /** A key's first messages, whose pause is over. */
  void addDue(LaneClaim lane, String holdKey, List<LaneMessage> messages) {
    lock.change(
        () -> {
          if (!stopped && !lane.lost && !lane.draining) {
            queues.addDue(lane, holdKey, messages);
            lock.wakeAll();
          }
        });
  }

  /** Delivered or failed, and not written. */
  int unwritten() {
    return lock.locked(writes::size);
  }

  // The end.

  /** Nothing more is begun; what waits is forgotten. */
  void stop() {
    lock.change(
        () -> {
          stopped = true;
          lanes.drainAll().forEach(queues::forgetWaiting);
          calls.stop();
        });
  }
}
