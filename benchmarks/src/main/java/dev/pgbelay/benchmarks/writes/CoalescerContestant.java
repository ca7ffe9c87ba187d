package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Threads that each write a row, wait until it is committed, and write the next. */
final class CoalescerContestant implements Contestant {
  static final String SUBMIT_P50 = "submit-p50";
  static final String SUBMIT_P99 = "submit-p99";

  private final String name;
  private final Items items;
  private final List<Item> rows;
  private final Work expected;
  private final int threads;
  private final RowWriter writer;

  CoalescerContestant(String name, Items items, long most, int threads, RowWriter writer)
      throws Exception {
    this(name, items, (int) Math.min(most, items.rows().size()), true, threads, writer);
  }

  /** Hands all rows over, and finds the table as it was before. */
  static CoalescerContestant writingNothing(String name, Items items, int threads, RowWriter writer)
      throws Exception {
    return new CoalescerContestant(name, items, items.rows().size(), false, threads, writer);
  }

  private CoalescerContestant(
      String name, Items items, int count, boolean writes, int threads, RowWriter writer)
      throws Exception {
    this.name = name;
    this.items = items;
    this.rows = items.rows().subList(0, count);
    this.expected = items.expected(writes ? count : 0);
    this.threads = threads;
    this.writer = writer;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    items.reset();
    long[] nanos = new long[rows.size()];
    CountDownLatch ready = new CountDownLatch(threads);
    CountDownLatch go = new CountDownLatch(1);
    ExecutorService clients = Executors.newFixedThreadPool(threads);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int thread = 0; thread < threads; thread++) {
        int first = thread;
        running.add(
            clients.submit(
                () -> {
                  ready.countDown();
                  go.await();
                  for (int row = first; row < rows.size(); row += threads) {
                    long start = System.nanoTime();
                    writer.write(rows.get(row));
                    nanos[row] = System.nanoTime() - start;
                  }
                  return null;
                }));
      }
      ready.await();
      long start = System.nanoTime();
      go.countDown();
      for (Future<?> each : running) {
        each.get();
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      Work did = items.seen();
      Arrays.sort(nanos);
      return List.of(
          new Measurement(part, rows.size() / seconds, "rows/s", did, expected),
          new Measurement(SUBMIT_P50, millis(nanos, 0.50), "ms", did, expected),
          new Measurement(SUBMIT_P99, millis(nanos, 0.99), "ms", did, expected));
    } finally {
      clients.shutdownNow();
    }
  }

  private static double millis(long[] sorted, double share) {
    return sorted[(int) Math.min(sorted.length - 1, sorted.length * share)] / 1e6;
  }

  @Override
  public void close() {
    writer.close();
  }
}
