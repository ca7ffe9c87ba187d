package dev.pgbelay.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the figures of all rounds and boils them down.
 *
 * <p>The machine's speed drifts from minute to minute, so absolute figures of different rounds do
 * not compare, while figures of one round nearly do: the ratio is the median of the ratios within
 * each round, not the ratio of the medians.
 */
final class Medians {
  private record Key(String contestant, String metric) {}

  private record Figure(int round, double value) {}

  private final String scenario;
  private final Map<Key, List<Figure>> figures = new LinkedHashMap<>();
  private final Map<String, String> units = new LinkedHashMap<>();

  Medians(String scenario) {
    this.scenario = scenario;
  }

  void add(int round, String contestant, Measurement measurement) {
    String unit = units.putIfAbsent(measurement.metric(), measurement.unit());
    if (unit != null && !unit.equals(measurement.unit())) {
      throw new IllegalArgumentException(
          "%s is given in %s by %s and in %s by an earlier contestant"
              .formatted(measurement.metric(), measurement.unit(), contestant, unit));
    }
    figures
        .computeIfAbsent(new Key(contestant, measurement.metric()), key -> new ArrayList<>())
        .add(new Figure(round, measurement.value()));
  }

  /** In the order in which contestants and metrics first appeared. */
  List<Result> results() {
    List<Result> results = new ArrayList<>();
    figures.forEach(
        (key, values) -> {
          List<Double> ratios = ratios(values, figures.get(new Key(Stage.LIMIT, key.metric())));
          results.add(
              new Result(
                  scenario,
                  key.contestant(),
                  key.metric(),
                  median(values.stream().map(Figure::value).toList()),
                  units.getOrDefault(key.metric(), ""),
                  ratios.isEmpty() ? null : median(ratios),
                  ratios.stream().min(Double::compare).orElse(null),
                  ratios.stream().max(Double::compare).orElse(null)));
        });
    return results;
  }

  private static List<Double> ratios(List<Figure> values, @Nullable List<Figure> limit) {
    if (limit == null) {
      return List.of();
    }
    Map<Integer, Double> ofRound = new LinkedHashMap<>();
    limit.forEach(figure -> ofRound.put(figure.round(), figure.value()));
    return values.stream()
        .filter(figure -> ofRound.getOrDefault(figure.round(), 0.0) > 0)
        .map(figure -> figure.value() / ofRound.getOrDefault(figure.round(), Double.NaN))
        .toList();
  }

  static double median(List<Double> values) {
    if (values.isEmpty()) {
      throw new IllegalArgumentException("the median of nothing is not a number");
    }
    List<Double> sorted = values.stream().sorted().toList();
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(middle)
        : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }
}
