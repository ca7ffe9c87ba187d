package dev.pgbelay.outbox;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.function.Predicate;

/**
 * What became of messages and is not written yet, each in the order in which it happened. Guarded
 * by the window's lock.
 */
final class PendingWrites {
  private final Deque<LaneMessage> acks = new ArrayDeque<>();
  private List<RelayHold> holds = new ArrayList<>();

  /** Messages of keys that are held. */
  private Deque<LaneMessage> moves = new ArrayDeque<>();

  private Runnable ackFound = () -> {};
  private Runnable holdFound = () -> {};

  /** Whom to wake; before anything else. */
  void wakes(Runnable ack, Runnable hold) {
    this.ackFound = ack;
    this.holdFound = hold;
  }

  void delivered(LaneMessage message) {
    acks.add(message);
  }

  void hold(RelayHold what) {
    holds.add(what);
  }

  void move(LaneMessage message) {
    moves.add(message);
    holdFound.run();
  }

  /** Wakes whoever writes, if there is something for him. */
  void tell() {
    if (!acks.isEmpty()) {
      ackFound.run();
    }
    tellOfHolds();
  }

  void tellOfHolds() {
    if (!holds.isEmpty()) {
      holdFound.run();
    }
  }

  List<LaneMessage> takeAcks(int most) {
    List<LaneMessage> taken = new ArrayList<>(Math.min(most, acks.size()));
    while (taken.size() < most && !acks.isEmpty()) {
      taken.add(acks.remove());
    }
    return taken;
  }

  HoldWork takeHolds() {
    HoldWork work = new HoldWork(holds, new ArrayList<>(moves));
    holds = new ArrayList<>();
    moves = new ArrayDeque<>();
    return work;
  }

  /** They are not moved after all. */
  Collection<LaneMessage> takeMoves(Predicate<LaneMessage> which) {
    List<LaneMessage> taken = new ArrayList<>();
    if (!moves.isEmpty()) {
      Deque<LaneMessage> left = new ArrayDeque<>();
      moves.forEach(message -> (which.test(message) ? taken : left).add(message));
      moves = left;
    }
    return taken;
  }

  int size() {
    return acks.size() + holds.size();
  }

  void clear() {
    acks.clear();
    holds = new ArrayList<>();
    moves = new ArrayDeque<>();
  }
}
