package dev.pgbelay.benchmarks.locking;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The transfers of one measurement: the same ones for every contestant. */
final class Transfers {
  static final int ACCOUNTS = 50;
  static final int THREADS = 8;
  private static final long SEED = 20_261_120;

  private Transfers() {}

  /**
   * What came of them.
   *
   * @param done how many were committed
   * @param nanos from the first to the last
   * @param longest of a single transfer
   */
  record Outcome(long done, long nanos, long longest) {}

  static Outcome run(Transfer transfer, int accounts, long count) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      long start = System.nanoTime();
      List<Future<long[]>> running = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        long share = count / THREADS + (thread < count % THREADS ? 1 : 0);
        Random random = new Random(SEED + thread);
        running.add(threads.submit(() -> transfer(transfer, accounts, share, random)));
      }
      long done = 0;
      long longest = 0;
      for (Future<long[]> one : running) {
        long[] result = one.get();
        done += result[0];
        longest = Math.max(longest, result[1]);
      }
      return new Outcome(done, System.nanoTime() - start, longest);
    } finally {
      threads.shutdownNow();
    }
  }

  private static long[] transfer(Transfer transfer, int accounts, long count, Random random)
      throws Exception {
    long longest = 0;
    for (long i = 0; i < count; i++) {
      Long[] chosen =
          random.longs(1, ACCOUNTS + 1L).distinct().limit(accounts).boxed().toArray(Long[]::new);
      Long[] amounts = new Long[accounts];
      long sum = 0;
      for (int each = 1; each < accounts; each++) {
        amounts[each] = 1L + random.nextInt(9);
        sum += amounts[each];
      }
      amounts[0] = -sum;
      long began = System.nanoTime();
      transfer.move(chosen, amounts);
      longest = Math.max(longest, System.nanoTime() - began);
    }
    return new long[] {count, longest};
  }
}
