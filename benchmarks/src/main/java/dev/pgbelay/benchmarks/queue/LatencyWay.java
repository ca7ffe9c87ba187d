package dev.pgbelay.benchmarks.queue;

import java.util.function.LongConsumer;

/** One way from an enqueue to the start of the job's handler. */
interface LatencyWay {
  /**
   * Makes or empties the tables, and tells {@code arrived} of the start of each job: when it was,
   * by {@link System#nanoTime} of this JVM.
   */
  QueueWay.Workers start(LongConsumer arrived) throws Exception;

  /** Adds one job in a transaction of its own. */
  void enqueue() throws Exception;

  /** Ends what stays up from round to round. */
  default void close() {}
}
