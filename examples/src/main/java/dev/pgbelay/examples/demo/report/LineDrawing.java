package dev.pgbelay.examples.demo.report;

import static java.util.stream.Collectors.joining;

import dev.pgbelay.examples.demo.report.LineChart.Axis;
import dev.pgbelay.examples.demo.report.LineChart.Line;
import dev.pgbelay.examples.demo.report.LineChart.Point;
import dev.pgbelay.examples.demo.report.LineChart.Scale;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** A {@link LineChart} laid out for one width: what the template needs to know. */
record LineDrawing(
    String shape,
    int width,
    int height,
    String left,
    String right,
    String top,
    String bottom,
    String xLabel,
    String yLabel,
    String xLabelAt,
    List<Tick> xTicks,
    List<Tick> yTicks,
    List<Stroke> strokes) {

  /** Above this many points a line is drawn without dots. */
  private static final int MOST_DOTS = 40;

  record Tick(String at, String label) {}

  record Stroke(String role, String path, List<Dot> dots) {}

  record Dot(String x, String y, String says) {}

  static LineDrawing of(LineChart chart, String shape, int width, int height) {
    double left = 46;
    double right = width - 14;
    double top = 30;
    double bottom = height - 46;
    AxisScale x = AxisScale.along(chart.x().scale(), values(chart, Point::x), left, right);
    AxisScale y = AxisScale.covering(chart.y().scale(), values(chart, Point::y), bottom, top);
    return new LineDrawing(
        shape,
        width,
        height,
        at(left),
        at(right),
        at(top),
        at(bottom),
        axisLabel(chart.x()),
        axisLabel(chart.y()),
        at((left + right) / 2),
        ticks(x),
        ticks(y),
        chart.lines().stream().map(line -> stroke(chart, line, x, y)).toList());
  }

  private static Stroke stroke(LineChart chart, Line line, AxisScale x, AxisScale y) {
    String path =
        line.points().stream()
            .map(p -> at(x.position(p.x())) + " " + at(y.position(p.y())))
            .collect(joining(" L", "M", ""));
    List<Dot> dots =
        line.points().size() > MOST_DOTS
            ? List.of()
            : line.points().stream().map(p -> dot(chart, line, p, x, y)).toList();
    return new Stroke(css(line.role()), path, dots);
  }

  private static Dot dot(LineChart chart, Line line, Point p, AxisScale x, AxisScale y) {
    String says =
        String.format(
            Locale.ROOT,
            "%s, %s %,.0f: %s %s",
            line.label(),
            chart.x().label(),
            p.x(),
            p.y() < 100
                ? String.format(Locale.ROOT, "%.2f", p.y())
                : String.format(Locale.ROOT, "%,.0f", p.y()),
            chart.y().unit());
    return new Dot(at(x.position(p.x())), at(y.position(p.y())), says);
  }

  static String css(Chart.Role role) {
    return role.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static String axisLabel(Axis axis) {
    String unit = axis.unit().isEmpty() ? "" : ", " + axis.unit();
    return axis.label() + unit + (axis.scale() == Scale.LOG ? " (log scale)" : "");
  }

  private static List<Tick> ticks(AxisScale scale) {
    return scale.ticks().stream()
        .map(t -> new Tick(at(scale.position(t)), AxisScale.label(t)))
        .toList();
  }

  private static double[] values(LineChart chart, ToDoubleFunction<Point> value) {
    return chart.lines().stream()
        .flatMap(line -> line.points().stream())
        .mapToDouble(value)
        .toArray();
  }

  private static String at(double pixel) {
    return String.format(Locale.ROOT, "%.1f", pixel);
  }
}
