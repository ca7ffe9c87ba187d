package dev.pgbelay.examples.demo.report;

import java.util.Locale;
import java.util.OptionalDouble;

/** How a factor between naive and safe is written. */
final class Factor {
  private Factor() {}

  static String text(Comparison comparison) {
    OptionalDouble factor = comparison.factor();
    if (factor.isEmpty()) {
      return "–";
    }
    double value = factor.getAsDouble();
    return String.format(
        Locale.ROOT, value >= 10 ? "%,.0f ×" : value >= 1 ? "%.1f ×" : "%.2f ×", value);
  }
}
