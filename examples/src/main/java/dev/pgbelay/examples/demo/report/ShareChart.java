package dev.pgbelay.examples.demo.report;

import java.util.List;

/** Horizontal bars, each a whole split into what arrived once and what was lost. */
public record ShareChart(String title, String caption, List<Bar> bars) implements Chart {

  public ShareChart {
    bars = List.copyOf(bars);
  }

  /**
   * One walk over a set of rows.
   *
   * @param label how the rows were read
   * @param role whose walk it was
   * @param expected rows that had to arrive exactly once
   * @param lost rows of those that did not arrive
   */
  public record Bar(String label, Role role, long expected, long lost) {}
}
