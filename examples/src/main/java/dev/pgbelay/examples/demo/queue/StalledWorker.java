package dev.pgbelay.examples.demo.queue;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.List;

/** What does a worker write that was stopped for longer than its lease? */
final class StalledWorker implements Study {
  private static final String TASK = "A worker that is stopped";

  @Override
  public Findings run(DemoContext context) throws Exception {
    return new Findings(List.of(compare(context)), List.of());
  }

  private Comparison compare(DemoContext context) throws Exception {
    int naive = Interrupted.handWritten(context, Interrupted.LEASE, true).doubled();
    context.progress().step(TASK, 1, 2);
    int safe = Interrupted.pgbelay(context, true).doubled();
    context.progress().step(TASK, 2, 2);
    return new Comparison(
        "stalled-worker",
        "Invoices written once, though the first process wakes after its lease of one second",
        "claims for a second, completes by id",
        "complete(tx), fenced",
        Measure.rows(Interrupted.JOBS - naive),
        Measure.rows(Interrupted.JOBS - safe),
        List.of(new Damage("invoices written twice", naive, safe)),
        "When it woke, the first worker went on with jobs that the second had done meanwhile.");
  }
}
