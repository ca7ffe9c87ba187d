package dev.pgbelay.benchmarks;

/**
 * A question that contestants answer side by side: "how long does page 50,000 take?".
 *
 * <p>A scenario is stateless; {@link #prepare} loads what it needs and hands out a {@link Stage}.
 */
public interface Scenario {
  /** The word on the command line and the name of the result file. */
  String name();

  /** One line for {@code ./bench --list}. */
  String description();

  /** Rows loaded when the command line does not say otherwise. */
  long defaultRows(boolean full);

  /**
   * Loads the data, computes what every contestant must return, and opens the contestants. The
   * caller closes the stage.
   */
  Stage prepare(BenchServer server, BenchSettings settings) throws Exception;
}
