package dev.pgbelay.examples.demo.keyset;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Times one task several times and gives the median. */
final class Stopwatch {
  private final List<Double> millis = new ArrayList<>();

  /** Runs the task, adds its time, and returns what it returned. */
  <T> T time(Supplier<T> task) {
    long start = System.nanoTime();
    T result = task.get();
    millis.add((System.nanoTime() - start) / 1e6);
    return result;
  }

  int laps() {
    return millis.size();
  }

  double totalMillis() {
    return millis.stream().mapToDouble(Double::doubleValue).sum();
  }

  double medianMillis() {
    return millis.stream().sorted().skip(millis.size() / 2).findFirst().orElse(Double.NaN);
  }
}
