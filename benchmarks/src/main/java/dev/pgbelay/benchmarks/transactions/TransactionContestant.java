package dev.pgbelay.benchmarks.transactions;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Runs one transaction after the other on one thread, and reports the median. */
final class TransactionContestant implements Contestant {
  private static final long BUDGET_MS = 200;

  /** A transaction of one statement about one account. */
  interface Way {
    /** Reads the account's balance. */
    long read(int id) throws Exception;

    /** Adds one to it. */
    void write(int id) throws Exception;
  }

  private final String name;
  private final Way way;
  private final Callable<Long> sum;
  private final int repeats;

  TransactionContestant(String name, Way way, Callable<Long> sum, int repeats) {
    this.name = name;
    this.way = way;
    this.sum = sum;
    this.repeats = repeats;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    boolean writes = part.equals(TransactionsScenario.WRITE);
    long[] nanos = new long[repeats];
    int done = 0;
    long seen = 0;
    long before = sum.call();
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(BUDGET_MS);
    while (done < repeats && (done == 0 || System.nanoTime() < end)) {
      long start = System.nanoTime();
      if (writes) {
        way.write(1 + done % 1_000);
      } else {
        seen += way.read(1);
      }
      nanos[done++] = System.nanoTime() - start;
    }
    long after = sum.call();
    Arrays.sort(nanos, 0, done);
    Work did = new Work(done, writes ? after - before : seen);
    Work expected = new Work(done, writes ? done : done * balanceOfTheFirst());
    return List.of(new Measurement(part, nanos[done / 2] / 1e6, "ms", did, expected));
  }

  private long balanceOfTheFirst() throws Exception {
    return way.read(1);
  }
}
