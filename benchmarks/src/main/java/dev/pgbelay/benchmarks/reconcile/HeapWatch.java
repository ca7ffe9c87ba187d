package dev.pgbelay.benchmarks.reconcile;

import dev.pgbelay.benchmarks.LiveHeap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Looks at the live heap while something goes on. */
final class HeapWatch {
  private static final long LOOK_EVERY_MILLIS = 200;
  private static final double MIB = 1024.0 * 1024.0;

  private HeapWatch() {}

  /** In MiB above what was live before; looks once at least. */
  static double mostDuring(PointClients.Meanwhile work) throws Exception {
    long before = LiveHeap.bytes();
    CountDownLatch over = new CountDownLatch(1);
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      Future<Long> most =
          thread.submit(
              () -> {
                long seen = LiveHeap.bytes();
                while (!over.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS)) {
                  seen = Math.max(seen, LiveHeap.bytes());
                }
                return seen;
              });
      work.run();
      over.countDown();
      return Math.max(0, most.get() - before) / MIB;
    } finally {
      thread.shutdownNow();
    }
  }
}
