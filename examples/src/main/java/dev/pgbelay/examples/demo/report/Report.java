package dev.pgbelay.examples.demo.report;

import java.time.Duration;
import java.util.List;

/**
 * A whole run of the demo.
 *
 * @param createdAt when, by the database's clock
 * @param postgres the server's version
 * @param java the JVM's version
 * @param processors processors the JVM saw
 * @param rows orders loaded
 * @param seed the seed of data and writers
 * @param loadTime how long loading took
 * @param command the command that repeats this run
 * @param scenarios what each scenario found
 */
public record Report(
    String createdAt,
    String postgres,
    String java,
    int processors,
    long rows,
    long seed,
    Duration loadTime,
    String command,
    List<ScenarioResult> scenarios) {

  public Report {
    scenarios = List.copyOf(scenarios);
  }
}
