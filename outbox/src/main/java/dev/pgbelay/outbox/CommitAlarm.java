package dev.pgbelay.outbox;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.wakeup.WakeUps;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Who is told when a transaction has committed that appended messages: relays of this process, and
 * other processes. Safe for several threads.
 */
final class CommitAlarm {
  private static final String TOPIC = "outbox/";
  private static final String WAKE = "outbox-wake/";

  private final @Nullable WakeUps announced;
  private final List<CommitListener> listeners = new CopyOnWriteArrayList<>();

  CommitAlarm(@Nullable WakeUps announced) {
    this.announced = announced;
  }

  /** What is announced when there is something for a destination. */
  static String topic(int destination) {
    return TOPIC + destination;
  }

  /** What is announced when an operator has done something about a destination. */
  static String wakeTopic(String destination) {
    return WAKE + destination;
  }

  void add(CommitListener listener) {
    listeners.add(listener);
  }

  void remove(CommitListener listener) {
    listeners.remove(listener);
  }

  OptionalInt ownedLane() {
    for (CommitListener listener : listeners) {
      OptionalInt lane = listener.ownedLane();
      if (lane.isPresent()) {
        return lane;
      }
    }
    return OptionalInt.empty();
  }

  boolean isHeard() {
    return announced != null || !listeners.isEmpty();
  }

  void afterCommit(Tx tx, Set<Integer> destinations, Set<Integer> lanes) {
    afterCommit(
        tx,
        commit -> {
          AppendedMessages appended = new AppendedMessages(destinations, lanes, commit.position());
          listeners.forEach(listener -> listener.committed(appended));
          if (announced != null) {
            destinations.forEach(destination -> announced.announce(topic(destination)));
          }
        });
  }

  /** Wakes all that a relay does for a destination. */
  void wakeAfterCommit(Tx tx, String destination) {
    afterCommit(
        tx,
        commit -> {
          listeners.forEach(listener -> listener.woken(destination));
          if (announced != null) {
            announced.announce(wakeTopic(destination));
          }
        });
  }

  private void afterCommit(Tx tx, Consumer<Commit<?>> told) {
    if (!isHeard()) {
      return;
    }
    try {
      tx.afterCommit(told);
    } catch (TransactionException noCallback) {
      // A joined transaction whose owner tells nobody of its commit: the relays poll.
      return;
    }
  }
}
