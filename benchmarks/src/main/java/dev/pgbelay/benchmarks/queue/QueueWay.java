package dev.pgbelay.benchmarks.queue;

import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/** One way of keeping jobs in a table. */
interface QueueWay extends AutoCloseable {
  /** Makes or empties the tables. */
  void reset() throws Exception;

  /** Adds jobs in one transaction. */
  void enqueue(List<String> payloads) throws Exception;

  /** Adds one job in a transaction of its own. */
  void enqueueOne(String payload) throws Exception;

  /** Starts threads that run every job once. */
  Workers work(Ran ran) throws Exception;

  /** Threads that work on a queue. */
  interface Workers {
    void stop() throws InterruptedException;
  }

  /** Jobs that are not finished. */
  long left() throws Exception;

  @Override
  default void close() {}

  /** What the handlers saw. */
  final class Ran {
    private final LongAdder jobs = new LongAdder();
    private final LongAdder sum = new LongAdder();

    void job(String payload) {
      jobs.increment();
      sum.add(Long.parseLong(payload));
    }

    long jobs() {
      return jobs.sum();
    }

    long sum() {
      return sum.sum();
    }
  }
}
