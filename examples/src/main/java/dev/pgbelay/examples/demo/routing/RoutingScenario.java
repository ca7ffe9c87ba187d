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
          "The fail-over is a crash of the primary a moment after its stream to the replicas was"
              + " cut; a replica with all that had left the primary takes over at once. Who finds it"
              + " by hand or by time-outs waits longer. What was not replicated is lost in every"
              + " way; the question is whether anybody says so.");

  @Override
  public String id() {
    return "routing";
  }

  @Override
  public String summary() {
    return "Stale reads from replicas after a write and across a fail-over, and who answers them";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    Findings findings;
    try (Servers servers = new Servers()) {
      findings = Findings.of(List.of(new StaleReads(servers), new FailOver(servers)), context);
    }
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
