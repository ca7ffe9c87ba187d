package dev.pgbelay.outbox;

import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Guards all parts of a window; held for what is in memory only. */
final class WindowLock {
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  <T extends @Nullable Object> T locked(Supplier<T> read) {
    lock.lock();
    try {
      return read.get();
    } finally {
      lock.unlock();
    }
  }

  void change(Runnable change) {
    lock.lock();
    try {
      change.run();
    } finally {
      lock.unlock();
    }
  }

  void lockInterruptibly() throws InterruptedException {
    lock.lockInterruptibly();
  }

  void unlock() {
    lock.unlock();
  }

  // By whoever has it.

  /** Waits until something may have changed, at most so long. */
  @SuppressWarnings("WaitNotInLoop") // the loop is the caller's
  void awaitChange(long nanos) throws InterruptedException {
    long ignored = changed.awaitNanos(nanos);
  }

  /** Something may be begun: one who waits goes on. */
  void wakeOne() {
    changed.signal();
  }

  void wakeAll() {
    changed.signalAll();
  }
}
