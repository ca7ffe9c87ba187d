package dev.pgbelay.outbox;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Hands the messages of a window to calls of the publisher, and takes what became of them. Safe for
 * several threads.
 */
final class WindowCalls {
  private final WindowLock lock;
  private final KeyQueues queues;
  private final PendingWrites writes;
  private final DestinationPause pause;

  /** Called with the lock when a call has ended. */
  private final Runnable ended;

  private int running;
  private boolean stopped;

  WindowCalls(
      WindowLock lock,
      KeyQueues queues,
      PendingWrites writes,
      DestinationPause pause,
      Runnable ended) {
    this.lock = lock;
    this.queues = queues;
    this.writes = writes;
    this.pause = pause;
    this.ended = ended;
  }

  /** Nothing more is begun. By whoever has the lock. */
  void stop() {
    stopped = true;
    lock.wakeAll();
  }

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
        lock.awaitChange(paused > 0 ? Math.min(left, paused) : left);
      }
      return available();
    } finally {
      lock.unlock();
    }
  }

  private int available() {
    return stopped ? 0 : pause.admits(queues.dispatchable());
  }

  boolean isStopped() {
    return lock.locked(() -> stopped);
  }

  /** Up to so many messages for one call, which ends with {@link #done} or {@link #giveBack}. */
  List<LaneMessage> take(int most) {
    return lock.locked(
        () -> {
          int left = Math.min(most, available());
          if (left == 0) {
            return List.of();
          }
          List<LaneMessage> call = queues.take(left);
          pause.begun();
          running++;
          if (queues.dispatchable() > 0) {
            lock.wakeOne();
          }
          return call;
        });
  }

  /** A call that was not made, or of which nothing is known; no attempt is counted. */
  void giveBack(List<LaneMessage> call) {
    lock.change(
        () -> {
          running--;
          pause.endedWithoutResult();
          queues.putBack(call, Set.of());
          lock.wakeAll();
        });
  }

  /** The last ones of a call are not delivered with it. */
  void giveBackRest(List<LaneMessage> rest, List<LaneMessage> call) {
    Set<LaneQueue> going = new HashSet<>();
    for (LaneMessage message : call) {
      if (message.queue != null) {
        going.add(message.queue);
      }
    }
    lock.change(
        () -> {
          queues.putBack(rest, going);
          lock.wakeAll();
        });
  }

  /** A call has ended, with a result for each message. */
  CallResults.Counts done(List<LaneMessage> call, List<Delivery> results) {
    return lock.locked(
        () -> {
          running--;
          CallResults sorted = new CallResults(writes);
          for (int i = 0; i < call.size(); i++) {
            sorted.add(call.get(i), results.get(i));
          }
          sorted.laterOfKeys().forEach(queues::ended);
          CallResults.Counts counts = sorted.counts();
          pause.ended(counts.delivered(), counts.failed());
          writes.tell();
          ended.run();
          lock.wakeAll();
          return counts;
        });
  }

  /** Calls that are under way. */
  int running() {
    return lock.locked(() -> running);
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
}
