package dev.pgbelay.jobqueue;

import dev.pgbelay.core.wakeup.WakeUps;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Ends the pauses of one worker's loops when there may be jobs for them, whoever says so, and tells
 * other processes of those that this worker has made ready.
 */
final class WorkerAlarm {
  /** Announced when jobs with partition keys were enqueued. */
  static final String ALL_KEYS = "*keys";

  /** No queue has such a name. */
  private static final String ALL_QUEUES = "*";

  private final @Nullable WakeUps wakeUps;
  private final Consumer<String> heard = this::heard;
  private final Map<String, Runnable> queues = new ConcurrentHashMap<>();
  private volatile Runnable keys = () -> {};

  WorkerAlarm(@Nullable WakeUps wakeUps) {
    this.wakeUps = wakeUps;
  }

  void wakes(String queue, Runnable loop) {
    queues.put(queue, loop);
  }

  void wakesForKeys(Runnable loop) {
    keys = loop;
  }

  /** From now on for what other processes announce, too. */
  void listen() {
    if (wakeUps != null) {
      wakeUps.addListener(heard);
    }
  }

  void stopListening() {
    if (wakeUps != null) {
      wakeUps.removeListener(heard);
    }
  }

  void all() {
    queues.values().forEach(Runnable::run);
    keys.run();
  }

  void queue(String name) {
    Runnable loop = queues.get(name);
    if (loop != null) {
      loop.run();
    }
  }

  void keys() {
    keys.run();
  }

  /** Jobs of any queues have become ready that were not: this process and others may run them. */
  void broughtBack() {
    all();
    if (wakeUps != null) {
      wakeUps.announce(ALL_QUEUES);
    }
  }

  private void heard(String what) {
    if (what.isEmpty() || what.equals(ALL_QUEUES)) {
      all();
    } else if (what.equals(ALL_KEYS)) {
      keys();
    } else {
      queue(what);
    }
  }
}
