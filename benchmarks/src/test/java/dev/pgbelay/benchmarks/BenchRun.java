package dev.pgbelay.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine;

/** One run of the bench, and what its file says. */
final class BenchRun {
  private BenchRun() {}

  /** Runs the bench with its results in the folder; answers its exit code. */
  static int run(Path folder, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--results", folder.toString()));
    return new CommandLine(new Bench()).execute(all.toArray(String[]::new));
  }

  static double value(Path file, String contestant, String metric) throws Exception {
    for (JsonNode line : new ObjectMapper().readTree(file.toFile())) {
      if (line.get("contestant").textValue().equals(contestant)
          && line.get("metric").textValue().equals(metric)) {
        return line.get("value").doubleValue();
      }
    }
    throw new AssertionError("no " + metric + " of " + contestant);
  }

  static Map<String, Set<String>> metricsOfContestants(Path file) throws Exception {
    Map<String, Set<String>> metrics = new HashMap<>();
    for (JsonNode line : new ObjectMapper().readTree(file.toFile())) {
      assertThat(line.fieldNames())
          .toIterable()
          .containsExactly("scenario", "contestant", "metric", "value", "unit", "ratio");
      if (mayBeZero(line)) {
        assertThat(line.get("value").doubleValue()).isNotNegative();
      } else {
        assertThat(line.get("value").doubleValue()).as(line.toString()).isPositive();
      }
      assertThat(line.get("ratio").isNumber() || isUnknownToLimit(line)).isTrue();
      metrics
          .computeIfAbsent(line.get("contestant").textValue(), contestant -> new HashSet<>())
          .add(line.get("metric").textValue());
    }
    return metrics;
  }

  /**
   * A multixact needs two who insert at the same time, which a run this short need not see, and
   * nobody but the unordered contestant deadlocks at all; waiters need not hold a connection; a
   * routed read may cost nothing more, and none need go to the primary; a checker may leave no
   * garbage behind.
   */
  private static boolean mayBeZero(JsonNode line) {
    String metric = line.get("metric").textValue();
    return metric.endsWith("multixacts-per-insert")
        || metric.endsWith("/deadlocks")
        || metric.endsWith("connections-held-by-waiters")
        || metric.equals("read/added")
        || metric.equals("waiting/heap-a-session")
        || (metric.equals("live-heap-mib") && line.get("scenario").textValue().equals("checker"))
        || metric.equals("share/reads-on-primary");
  }

  /**
   * While nobody deletes, there is no rate of deletions; without a foreign key no multixacts; in
   * order no deadlocks; without a guard neither replays nor duplicates; without a router no tokens
   * and nobody who waits; the limit of a checker is not run beside others, and that of a cascade
   * deletes nothing.
   */
  private static boolean isUnknownToLimit(JsonNode line) {
    return (line.get("scenario").textValue().equals("chunks")
            && line.get("metric").textValue().equals("rows-per-second"))
        || line.get("scenario").textValue().equals("idempotency")
        || line.get("metric").textValue().startsWith("token/")
        || line.get("metric").textValue().startsWith("waiting/")
        || line.get("metric").textValue().startsWith("beside/")
        || line.get("metric").textValue().equals("children-per-second")
        || line.get("metric").textValue().equals("whole-cascade")
        || mayBeZero(line);
  }
}
