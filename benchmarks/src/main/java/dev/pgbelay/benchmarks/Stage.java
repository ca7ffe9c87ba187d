package dev.pgbelay.benchmarks;

import java.util.List;

/**
 * A scenario with its data loaded and its contestants ready; one contestant is named {@link
 * #LIMIT}.
 */
public interface Stage extends AutoCloseable {
  /**
   * The contestant that the others are compared with: hand-written JDBC, as good as we can make it.
   */
  String LIMIT = "limit";

  /**
   * The parts of a round, in order. All contestants do a part before any does the next one, so that
   * a slow minute of the machine meets all of them.
   */
  List<String> parts();

  /** In the order in which the table lists them. */
  List<Contestant> contestants();

  /** What the reader of the table must know: bounds, settings, who does less work and why. */
  default List<String> notes() {
    return List.of();
  }

  @Override
  default void close() {}
}
