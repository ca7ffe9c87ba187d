package dev.pgbelay.examples.demo.report;

import java.util.Locale;

/**
 * One figure of a run with its unit.
 *
 * @param value the figure, in {@code unit}
 * @param unit what it counts
 * @param estimated true if it was computed from samples instead of measured whole; shown with a ≈
 */
public record Measure(double value, Unit unit, boolean estimated) {

  /** What a {@link Measure} counts. */
  public enum Unit {
    MILLISECONDS("ms"),
    SECONDS("s"),
    ROWS("rows");

    private final String symbol;

    Unit(String symbol) {
      this.symbol = symbol;
    }
  }

  public static Measure millis(double value) {
    return new Measure(value, Unit.MILLISECONDS, false);
  }

  public static Measure seconds(double value) {
    return new Measure(value, Unit.SECONDS, false);
  }

  public static Measure estimatedSeconds(double value) {
    return new Measure(value, Unit.SECONDS, true);
  }

  public static Measure rows(long value) {
    return new Measure(value, Unit.ROWS, false);
  }

  /** The figure as a person reads it: {@code ≈ 128 s}, {@code 0.31 ms}, {@code 900,000 rows}. */
  public String text() {
    return (estimated ? "≈ " : "") + number() + " " + unit.symbol;
  }

  private String number() {
    if (unit == Unit.ROWS || value >= 100) {
      return String.format(Locale.ROOT, "%,.0f", value);
    }
    return String.format(Locale.ROOT, value >= 10 ? "%.1f" : "%.2f", value);
  }
}
