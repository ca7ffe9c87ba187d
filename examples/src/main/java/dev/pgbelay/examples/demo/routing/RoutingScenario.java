package dev.pgbelay.examples.demo.routing;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** Guesses about replicas against {@code read-your-writes}. */
public final class RoutingScenario implements DemoScenario {
  private static final String PROBLEM =
      "Reads go to replicas, and a replica is behind: who saves and looks sees the old state. To read"
          + " from the primary for a while after each write is a guess: too long on most days, too"
          + " short on the day a replica falls behind.";

  private static final List<String> CAVEATS =
      List.of(
          "The servers are a primary and two replicas of the scenario's own on this machine; they"
              + " lag because they were told to (recovery_min_apply_delay).",
          "A fail-over is not part of it.");

  @Override
  public String id() {
    return "routing";
  }

  @Override
  public String summary() {
    return "Stale reads from replicas after a write, and how many reads stay off the primary";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    Findings findings = new StaleReads().run(context);
    return new ScenarioResult(
        id(),
        "Read-your-writes",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
