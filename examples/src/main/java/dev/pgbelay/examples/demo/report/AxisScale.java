package dev.pgbelay.examples.demo.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/** Maps the values of one axis onto a stretch of pixels and chooses the ticks. */
record AxisScale(LineChart.Scale scale, double low, double high, double from, double to) {

  /** A scale that ends with the largest of {@code values}, for the axis that points run along. */
  static AxisScale along(LineChart.Scale scale, double[] values, double from, double to) {
    AxisScale covering = covering(scale, values, from, to);
    double max = DoubleStream.of(values).max().orElse(covering.high);
    return new AxisScale(scale, covering.low, Math.max(max, covering.low * 10), from, to);
  }

  /** A scale that shows all of {@code values}; zero is part of every linear axis. */
  static AxisScale covering(LineChart.Scale scale, double[] values, double from, double to) {
    double max = DoubleStream.of(values).max().orElse(1);
    if (scale == LineChart.Scale.LINEAR) {
      double step = linearStep(max);
      return new AxisScale(scale, 0, Math.max(step, Math.ceil(max / step) * step), from, to);
    }
    double min = DoubleStream.of(values).filter(v -> v > 0).min().orElse(1);
    double low = roundedDown(min);
    double high = Math.max(roundedUp(max), low * 10);
    return new AxisScale(scale, low, high, from, to);
  }

  double position(double value) {
    double share =
        scale == LineChart.Scale.LINEAR
            ? (value - low) / (high - low)
            : Math.log(Math.max(value, low) / low) / Math.log(high / low);
    return from + share * (to - from);
  }

  List<Double> ticks() {
    List<Double> ticks = new ArrayList<>();
    if (scale == LineChart.Scale.LINEAR) {
      double step = linearStep(high);
      for (double tick = low; tick <= high + step * 1e-9; tick += step) {
        ticks.add(tick);
      }
      return ticks;
    }
    double decade = Math.pow(10, Math.ceil(Math.log10(low) - 1e-9));
    for (double tick = decade; tick <= high * (1 + 1e-9); tick *= 10) {
      ticks.add(tick);
    }
    return ticks;
  }

  /** A tick's label: {@code 0.1}, {@code 50}, {@code 20k}, {@code 1M}. */
  static String label(double tick) {
    if (tick >= 1_000_000) {
      return plain(tick / 1_000_000) + "M";
    }
    return tick >= 1_000 ? plain(tick / 1_000) + "k" : plain(tick);
  }

  private static String plain(double value) {
    String text = String.format(Locale.ROOT, "%.3f", value);
    return text.replaceAll("\\.?0+$", "");
  }

  private static double linearStep(double max) {
    double rough = Math.max(max, 1e-9) / 5;
    double decade = Math.pow(10, Math.floor(Math.log10(rough)));
    double ratio = rough / decade;
    return decade * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
  }

  private static double roundedDown(double value) {
    double decade = Math.pow(10, Math.floor(Math.log10(value) + 1e-9));
    double ratio = value / decade * (1 + 1e-9);
    return decade * (ratio >= 5 ? 5 : ratio >= 2 ? 2 : 1);
  }

  private static double roundedUp(double value) {
    double decade = Math.pow(10, Math.floor(Math.log10(value) + 1e-9));
    double ratio = value / decade * (1 - 1e-9);
    return decade * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
  }
}
