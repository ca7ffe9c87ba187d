package dev.pgbelay.examples.demo.reconcile;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** A foreign key under key-level locks, and its absence with nobody looking. */
public final class ReconcileScenario implements DemoScenario {
  private static final List<Study> STUDIES = List.of(new HotParent(), new NobodyLooks());

  private static final String PROBLEM =
      "Whoever inserts a child locks its parent, and waits for whoever holds that row FOR UPDATE. So"
          + " the foreign key goes, the total is written beside its lines, and from then on nothing"
          + " keeps either: every query answers, and some answers are wrong.";

  private static final List<String> CAVEATS =
      List.of(
          "Keep the foreign key unless you have measured that you cannot: an UPDATE of other columns"
              + " does not conflict with it. What does is FOR UPDATE, a DELETE and a changed key.",
          "The cached guard lets children of parents pass that were deleted a moment ago; the checker"
              + " finds them.",
          "The faults are seeded, and counted by plain queries before and after.");

  @Override
  public String id() {
    return "reconciliation";
  }

  @Override
  public String summary() {
    return "Inserts below a parent that others lock, and orphans and wrong totals that nobody sees";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    SchemaInstaller.builder(context.dataSource()).modules("batch", "reconcile").build().install();
    Findings findings = Findings.of(STUDIES, context);
    return new ScenarioResult(
        id(),
        "Reconciliation",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
