package dev.pgbelay.benchmarks;

import java.util.List;

/** One way of doing the work of a scenario. */
public interface Contestant extends AutoCloseable {
  String name();

  /** Whether this contestant takes part in that part; the table has a dash where it does not. */
  default boolean takesPart(String part) {
    return true;
  }

  /**
   * Does the part once and says how it went. The work reported with each measurement is what was
   * really seen by the caller of the contestant, not what was asked for.
   */
  List<Measurement> measure(String part) throws Exception;

  @Override
  default void close() {}
}
