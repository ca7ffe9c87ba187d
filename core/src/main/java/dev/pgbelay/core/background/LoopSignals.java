package dev.pgbelay.core.background;

import java.time.Duration;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is said to a loop from outside, and the pauses that listen to it. */
final class LoopSignals {
  private static final Logger LOG = LoggerFactory.getLogger(BackgroundLoop.class);

  private enum State {
    NEW,
    RUNNING,
    STOPPING,
    ENDED
  }

  private final String name;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private State state = State.NEW;
  private boolean woken;

  LoopSignals(String name) {
    this.name = name;
  }

  /**
   * Runs {@code start} unless the loop was started or stopped before.
   *
   * @param start runs while no other start or stop can come in between; leaves the loop new if it
   *     throws
   * @return false if the loop was started or stopped before
   */
  boolean start(Runnable start) {
    lock.lock();
    try {
      if (state != State.NEW) {
        return false;
      }
      state = State.RUNNING;
      try {
        start.run();
      } catch (RuntimeException | Error e) {
        state = State.NEW;
        throw e;
      }
      return true;
    } finally {
      lock.unlock();
    }
  }

  void stop() {
    lock.lock();
    try {
      if (state == State.NEW) {
        state = State.ENDED;
      } else if (state == State.RUNNING) {
        state = State.STOPPING;
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  void ended() {
    lock.lock();
    try {
      state = State.ENDED;
    } finally {
      lock.unlock();
    }
  }

  boolean isStopping() {
    lock.lock();
    try {
      return state == State.STOPPING || state == State.ENDED;
    } finally {
      lock.unlock();
    }
  }

  void wakeUp() {
    lock.lock();
    try {
      woken = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  boolean takeWakeUp() {
    lock.lock();
    try {
      boolean was = woken;
      woken = false;
      return was;
    } finally {
      lock.unlock();
    }
  }

  /** Waits for the pause to end, or a stop, or after the first {@code deaf} of it a wake-up. */
  void await(Duration deaf, Duration pause) {
    lock.lock();
    try {
      long start = System.nanoTime();
      while (state == State.RUNNING) {
        long waited = System.nanoTime() - start;
        long left = (woken ? deaf : pause).toNanos() - waited;
        if (left <= 0) {
          return;
        }
        try {
          changed.awaitNanos(left);
        } catch (InterruptedException e) {
          // Not ours: a stop interrupts only after it changed the state, which ends this wait.
          LOG.debug("Background loop {} was interrupted in its pause", name, e);
        }
      }
    } finally {
      lock.unlock();
    }
  }
}
