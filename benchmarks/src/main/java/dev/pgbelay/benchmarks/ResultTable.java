package dev.pgbelay.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Prints results as aligned Markdown tables, one for each group of metrics. */
final class ResultTable {
  private ResultTable() {}

  static String render(List<Result> results) {
    Map<String, List<Result>> groups = new LinkedHashMap<>();
    for (Result result : results) {
      groups.computeIfAbsent(group(result.metric()), group -> new ArrayList<>()).add(result);
    }
    StringBuilder text = new StringBuilder();
    groups.forEach((group, members) -> text.append(table(group, members)).append('\n'));
    return text.toString();
  }

  private static String table(String group, List<Result> results) {
    Set<String> metrics = new LinkedHashSet<>();
    Map<String, Map<String, Result>> rows = new LinkedHashMap<>();
    for (Result result : results) {
      metrics.add(result.metric());
      rows.computeIfAbsent(result.contestant(), contestant -> new LinkedHashMap<>())
          .put(result.metric(), result);
    }
    List<List<String>> cells = new ArrayList<>();
    List<String> header = new ArrayList<>(List.of(group.isEmpty() ? "contestant" : group));
    for (String metric : metrics) {
      header.add(metric.substring(metric.indexOf('/') + 1) + ", " + unit(results, metric));
    }
    cells.add(header);
    rows.forEach(
        (contestant, ofMetric) -> {
          List<String> row = new ArrayList<>(List.of(contestant));
          metrics.forEach(metric -> row.add(cell(ofMetric.get(metric))));
          cells.add(row);
        });
    return aligned(cells);
  }

  private static String unit(List<Result> results, String metric) {
    return results.stream()
        .filter(result -> result.metric().equals(metric))
        .map(Result::unit)
        .findFirst()
        .orElse("");
  }

  private static String cell(@Nullable Result result) {
    if (result == null) {
      return "-";
    }
    String value = figure(result.value());
    Double lowest = result.lowestRatio();
    Double highest = result.highestRatio();
    if (result.ratio() == null || lowest == null || highest == null) {
      return value;
    }
    return result.contestant().equals(Stage.LIMIT)
        ? value + " (1.00x)"
        : "%s (%sx) [%s-%s]"
            .formatted(value, figure(result.ratio()), figure(lowest), figure(highest));
  }

  /** Three significant digits, or a whole number. */
  static String figure(double value) {
    if (value >= 100) {
      return String.format(Locale.ROOT, "%,.0f", value);
    }
    return String.format(Locale.ROOT, value >= 10 ? "%.1f" : value >= 0.1 ? "%.2f" : "%.3f", value);
  }

  private static String aligned(List<List<String>> cells) {
    int columns = cells.get(0).size();
    int[] widths = new int[columns];
    for (List<String> row : cells) {
      for (int column = 0; column < columns; column++) {
        widths[column] = Math.max(widths[column], row.get(column).length());
      }
    }
    StringBuilder text = new StringBuilder();
    for (int row = 0; row < cells.size(); row++) {
      text.append('|');
      for (int column = 0; column < columns; column++) {
        String cell = cells.get(row).get(column);
        String padding = " ".repeat(widths[column] - cell.length());
        text.append(' ').append(column == 0 ? cell + padding : padding + cell).append(" |");
      }
      text.append('\n');
      if (row == 0) {
        text.append('|');
        for (int column = 0; column < columns; column++) {
          text.append("-".repeat(widths[column] + 1)).append(column == 0 ? "-|" : ":|");
        }
        text.append('\n');
      }
    }
    return text.toString();
  }

  private static String group(String metric) {
    int slash = metric.indexOf('/');
    return slash < 0 ? "" : metric.substring(0, slash);
  }
}
