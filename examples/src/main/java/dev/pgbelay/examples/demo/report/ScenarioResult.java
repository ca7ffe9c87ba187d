package dev.pgbelay.examples.demo.report;

import java.time.Duration;
import java.util.List;

/**
 * What one scenario found.
 *
 * @param id the name given to {@code --only}
 * @param title the pattern's name
 * @param problem what the naive habit is and when it breaks, in a sentence or two
 * @param comparisons naive against safe, line by line
 * @param charts the pictures
 * @param caveats what a reader must know before quoting the figures
 * @param took how long the scenario ran
 */
public record ScenarioResult(
    String id,
    String title,
    String problem,
    List<Comparison> comparisons,
    List<Chart> charts,
    List<String> caveats,
    Duration took) {

  public ScenarioResult {
    comparisons = List.copyOf(comparisons);
    charts = List.copyOf(charts);
    caveats = List.copyOf(caveats);
  }
}
