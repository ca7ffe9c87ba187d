package dev.pgbelay.benchmarks.latency;

/** Sends what another JVM begins with. */
public interface LatencySender {
  /** Makes or empties the tables. */
  void reset() throws Exception;

  /**
   * Sends one in a transaction of its own.
   *
   * @return from when on the time counts, by {@link System#nanoTime}
   */
  long send() throws Exception;

  default void stop() {}
}
