package dev.pgbelay.benchmarks.latency;

import java.util.function.LongConsumer;

/** One way from what is sent to the start of its handler. */
public interface LatencyWay {
  /**
   * Makes or empties the tables, and tells {@code arrived} of the start of each handler: when it
   * was, by {@link System#nanoTime} of this JVM.
   */
  Running start(LongConsumer arrived) throws Exception;

  /**
   * Sends one in a transaction of its own.
   *
   * @return from when on the time counts, by {@link System#nanoTime}
   */
  long send() throws Exception;

  /** Ends what stays up from round to round. */
  default void close() {}

  /** What receives. */
  interface Running {
    void stop() throws InterruptedException;
  }
}
