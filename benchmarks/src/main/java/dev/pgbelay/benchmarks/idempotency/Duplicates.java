package dev.pgbelay.benchmarks.idempotency;

import com.zaxxer.hikari.HikariPoolMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Many callers with one key at once. The operation takes a while, in which the connections in use
 * are counted again and again.
 */
final class Duplicates {
  static final int CALLERS = 64;
  private static final long OPERATION_MILLIS = 300;
  private static final Request REQUEST = new Request("duplicated", 1, 1);

  private final HikariPoolMXBean pool;
  private final AtomicInteger executions = new AtomicInteger();
  private final CountDownLatch over = new CountDownLatch(1);
  private final CountDownLatch begun = new CountDownLatch(1);

  Duplicates(HikariPoolMXBean pool) {
    this.pool = pool;
  }

  /**
   * What was seen.
   *
   * @param executions how often the operation ran
   * @param held connections in use while it ran, without its own: the mean
   * @param millis from the first call to the last answer
   */
  record Seen(int executions, double held, double millis) {}

  /** What the operation of the guard does in the middle. */
  void operation() throws InterruptedException {
    executions.incrementAndGet();
    begun.countDown();
    over.await();
  }

  Seen send(Guard guard) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(CALLERS);
    try {
      long start = System.nanoTime();
      List<Future<Guard.Done>> running = new ArrayList<>();
      for (int i = 0; i < CALLERS; i++) {
        running.add(threads.submit(() -> guard.call(REQUEST)));
      }
      begun.await();
      double held = meanOfHeld();
      over.countDown();
      for (Future<Guard.Done> one : running) {
        Guard.Done done = one.get();
        if (done == Guard.Done.RUNNING) {
          throw new IllegalStateException("a caller was sent away, and the others wait");
        }
      }
      return new Seen(executions.get(), held, (System.nanoTime() - start) / 1e6);
    } finally {
      over.countDown();
      threads.shutdownNow();
    }
  }

  /** The first third is left out: callers still arrive, and each of them looks once. */
  private double meanOfHeld() throws InterruptedException {
    TimeUnit.MILLISECONDS.sleep(OPERATION_MILLIS / 3);
    long samples = 0;
    long held = 0;
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(OPERATION_MILLIS * 2 / 3);
    while (System.nanoTime() < end) {
      held += Math.max(0, pool.getActiveConnections() - 1);
      samples++;
      TimeUnit.NANOSECONDS.sleep(200_000);
    }
    return (double) held / samples;
  }
}
