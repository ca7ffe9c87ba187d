package dev.pgbelay.examples.demo.report;

import java.util.List;

/** Lines over two axes. */
public record LineChart(String title, String caption, Axis x, Axis y, List<Line> lines)
    implements Chart {

  public LineChart {
    lines = List.copyOf(lines);
  }

  /** An axis; {@code unit} follows the tick labels and may be empty. */
  public record Axis(String label, Scale scale, String unit) {}

  /** How an axis spreads its values. */
  public enum Scale {
    LINEAR,
    LOG
  }

  /** One line with its points in the order of x. */
  public record Line(String label, Role role, List<Point> points) {
    public Line {
      points = List.copyOf(points);
    }
  }

  /** A measured point. */
  public record Point(double x, double y) {}
}
