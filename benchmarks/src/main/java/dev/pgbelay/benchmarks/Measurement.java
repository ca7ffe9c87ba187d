package dev.pgbelay.benchmarks;

/**
 * One figure of one contestant in one round.
 *
 * @param metric name of the figure; what stands before a slash groups metrics into one table
 * @param value the figure in {@code unit}
 * @param unit such as {@code ms}, {@code rows/s}, {@code MiB}
 * @param did the work seen
 * @param expected the work it should have been, computed independently of the contestant
 */
public record Measurement(String metric, double value, String unit, Work did, Work expected) {
  public Measurement {
    if (!Double.isFinite(value) || value < 0) {
      throw new IllegalArgumentException(
          "the value of " + metric + " is " + value + ": a figure must be finite and not negative");
    }
  }

  /** Whether the figure counts. */
  boolean isVerified() {
    return did.equals(expected);
  }
}
