package dev.pgbelay.batch.chunk;

import java.time.Duration;

/**
 * The size of the next chunk, from how long the last ones took: a moving average against the
 * target, small steps up, larger ones down. Not safe for several threads.
 */
final class ChunkSize {
  private static final double WEIGHT_OF_LAST = 0.4;
  private static final double LONGEST_STEP_UP = 1.2;
  private static final double STEP_DOWN = 0.8;
  private static final double STEP_DOWN_AFTER_TIMEOUT = 0.5;

  /** Between these shares of the target the size stays. */
  private static final double LOW = 0.9;

  private static final double AIM = 0.95;

  private final long targetNanos;
  private final int min;
  private final int max;
  private int rows;
  private double average;

  ChunkSize(Duration target, int first, int min, int max) {
    this.targetNanos = target.toNanos();
    this.min = min;
    this.max = max;
    set(first);
  }

  int rows() {
    return rows;
  }

  /** Takes up what an earlier runner had found out. */
  void set(int size) {
    rows = Math.max(min, Math.min(max, size));
  }

  /** The size after a chunk of the full size took that long. */
  int after(long nanos) {
    double share = nanos / (double) targetNanos;
    average = average == 0 ? share : WEIGHT_OF_LAST * share + (1 - WEIGHT_OF_LAST) * average;
    if (average > 1) {
      scale(STEP_DOWN);
    } else if (average < LOW) {
      scale(Math.min(LONGEST_STEP_UP, AIM / average));
    }
    return rows;
  }

  /** Somebody waited behind the chunk. */
  void makeRoom() {
    scale(STEP_DOWN);
  }

  /** The chunk ran into a timeout and was rolled back. */
  void afterTimeout() {
    scale(STEP_DOWN_AFTER_TIMEOUT);
  }

  private void scale(double factor) {
    int scaled = rounded(rows * factor);
    set(factor > 1 ? Math.max(scaled, rows + 1) : Math.min(scaled, rows - 1));
    average *= Math.min(LONGEST_STEP_UP, factor);
  }

  /** To two digits, because each size is a statement text of its own. */
  private static int rounded(double size) {
    double unit = Math.max(1, Math.pow(10, Math.floor(Math.log10(Math.max(1, size))) - 1));
    return (int) Math.min(Integer.MAX_VALUE, Math.round(size / unit) * unit);
  }
}
