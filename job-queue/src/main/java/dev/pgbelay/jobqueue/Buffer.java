package dev.pgbelay.jobqueue;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.jobqueue.Registration.Identity;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Claimed jobs on their way to the threads that run them, in order, a claim at a time. To take one
 * is to count one further, without a lock. Threads that found nothing are woken one by the other,
 * each by the one before it while there is more to do: jobs that take no time are done by few
 * threads, and nobody waits behind a job that takes long.
 */
final class Buffer {
  /**
   * A job in the buffer.
   *
   * @param position covers the commit that enqueued it
   */
  record Fetched(ClaimedJob job, Identity identity, @Nullable CommitPosition position) {}

  /** What one claim has brought. */
  private static final class Batch {
    private final List<ClaimedJob> jobs;
    private final Identity identity;
    private final @Nullable CommitPosition position;
    private final long addedAt = System.nanoTime();
    private final AtomicInteger next = new AtomicInteger();

    Batch(List<ClaimedJob> jobs, Identity identity, @Nullable CommitPosition position) {
      this.jobs = jobs;
      this.identity = identity;
      this.position = position;
    }

    @Nullable Fetched take() {
      if (left() == 0) {
        return null;
      }
      int index = next.getAndIncrement();
      return index < jobs.size() ? new Fetched(jobs.get(index), identity, position) : null;
    }

    int left() {
      return Math.max(0, jobs.size() - next.get());
    }
  }

  private final Queue<Batch> batches = new ConcurrentLinkedQueue<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition added = lock.newCondition();

  /** Changed under the lock, read without it: who reads too early is followed by who does not. */
  private final AtomicInteger waiting = new AtomicInteger();

  private volatile boolean waking;

  void add(List<ClaimedJob> jobs, Identity identity, @Nullable CommitPosition position) {
    batches.add(new Batch(List.copyOf(jobs), identity, position));
    wakeOne();
  }

  int size() {
    int size = 0;
    for (Batch batch : batches) {
      size += batch.left();
    }
    return size;
  }

  @Nullable Fetched poll() {
    Batch first;
    while ((first = batches.peek()) != null) {
      Fetched fetched = first.take();
      if (fetched != null) {
        return fetched;
      }
      batches.remove(first);
    }
    return null;
  }

  /** The first one, if it has been here for longer than that. */
  @Nullable Fetched pollOlderThan(long nanos) {
    Batch first;
    while ((first = batches.peek()) != null && System.nanoTime() - first.addedAt > nanos) {
      Fetched fetched = first.take();
      if (fetched != null) {
        return fetched;
      }
      batches.remove(first);
    }
    return null;
  }

  /** The first one, or null if there is none within the time. */
  @Nullable Fetched poll(long time, TimeUnit unit) throws InterruptedException {
    Fetched fetched = poll();
    if (fetched == null) {
      fetched = await(unit.toNanos(time));
    }
    if (fetched != null && waiting.get() > 0 && !waking && !batches.isEmpty()) {
      wakeOne();
    }
    return fetched;
  }

  private @Nullable Fetched await(long nanos) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      waiting.incrementAndGet();
      try {
        long left = nanos;
        Fetched fetched;
        while ((fetched = poll()) == null && left > 0) {
          left = added.awaitNanos(left);
          waking = false;
        }
        return fetched;
      } finally {
        waiting.decrementAndGet();
        waking = false;
      }
    } finally {
      lock.unlock();
    }
  }

  private void wakeOne() {
    lock.lock();
    try {
      if (waiting.get() > 0) {
        waking = true;
        added.signal();
      }
    } finally {
      lock.unlock();
    }
  }
}
