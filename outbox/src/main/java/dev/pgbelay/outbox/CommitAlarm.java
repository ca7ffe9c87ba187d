package dev.pgbelay.outbox;

import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.CommittedAs;
import dev.pgbelay.core.internal.PlainHooks;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.LaneMessage.Content;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
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

  /** Whether a relay of this process may be given what this transaction appends. */
  boolean mayHandOver(Tx tx) {
    return tx instanceof CommittedAs && ownedLane().isPresent();
  }

  boolean isHeard() {
    return announced != null || !listeners.isEmpty();
  }

  void afterCommit(Tx tx, Set<Integer> destinations) {
    if (isHeard()) {
      whenCommitted(() -> PlainHooks.add(tx, () -> tell(destinations)));
    }
  }

  /** Wakes all that a relay does for a destination. */
  void wakeAfterCommit(Tx tx, String destination) {
    if (isHeard()) {
      whenCommitted(() -> PlainHooks.add(tx, () -> wake(destination)));
    }
  }

  private void wake(String destination) {
    listeners.forEach(listener -> listener.woken(destination));
    if (announced != null) {
      announced.announce(wakeTopic(destination));
    }
  }

  private static void whenCommitted(Runnable addHook) {
    try {
      addHook.run();
    } catch (TransactionException noCallback) {
      // A joined transaction whose owner tells nobody of its commit: the relays poll.
      return;
    }
  }

  private void tell(Set<Integer> destinations) {
    listeners.forEach(listener -> listener.committed(destinations));
    if (announced != null) {
      destinations.forEach(destination -> announced.announce(topic(destination)));
    }
  }

  /**
   * The same for one message without key, which relays of this process are given where they deliver
   * its lane and its row is certain to be there. Relays that are not given it are told.
   */
  void afterCommit(Tx tx, List<WrittenRow> rows, int lane, NewMessage message, String messageId) {
    if (!isHeard()) {
      return;
    }
    Map<WrittenRow, HandOver> promised = new LinkedHashMap<>();
    Set<Integer> others = new LinkedHashSet<>();
    for (WrittenRow row : rows) {
      HandOver place = row.transactionId() == null ? null : promise(row, lane);
      if (place == null) {
        others.add(row.destination());
      } else {
        promised.put(row, place);
      }
    }
    if (promised.isEmpty()) {
      afterCommit(tx, others);
      return;
    }
    whenCommitted(
        () ->
            tx.afterCommit(
                commit -> {
                  String committed = CommittedAs.of(tx).orElse("");
                  promised.forEach(
                      (row, place) -> {
                        if (!committed.equals(row.transactionId())
                            || !place.give(
                                row,
                                content(row, message, messageId),
                                message.payload(),
                                commit.position())) {
                          others.add(row.destination());
                        }
                      });
                  if (!others.isEmpty()) {
                    tell(others);
                  }
                }));
  }

  private @Nullable HandOver promise(WrittenRow row, int lane) {
    for (CommitListener listener : listeners) {
      HandOver place = listener.promise(row, lane);
      if (place != null) {
        return place;
      }
    }
    return null;
  }

  private static Content content(WrittenRow row, NewMessage message, String messageId) {
    return new Content(
        messageId,
        message.topic(),
        null,
        message.type().orElse(null),
        message.headers(),
        row.appendedAtMicros(),
        false);
  }
}
