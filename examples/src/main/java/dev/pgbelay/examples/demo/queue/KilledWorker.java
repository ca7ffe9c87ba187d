package dev.pgbelay.examples.demo.queue;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import java.time.Duration;
import java.util.List;

/** What becomes of the jobs that a worker had claimed when it was killed? */
final class KilledWorker implements Study {
  private static final String TASK = "A worker that is killed";
  private static final Duration FOR_EVER = Duration.ofDays(1);

  @Override
  public Findings run(DemoContext context) throws Exception {
    return new Findings(List.of(compare(context)), List.of());
  }

  private Comparison compare(DemoContext context) throws Exception {
    int naive = Interrupted.handWritten(context, FOR_EVER, false).undone();
    context.progress().step(TASK, 1, 2);
    int safe = Interrupted.pgbelay(context, false).undone();
    context.progress().step(TASK, 2, 2);
    return new Comparison(
        "killed-worker",
        "Jobs done by the second process, after the first was killed in the middle of its fifth",
        "claims ten, marks them as running",
        "JobWorker, lease of one second",
        Measure.rows(Interrupted.JOBS - naive),
        Measure.rows(Interrupted.JOBS - safe),
        List.of(new Damage("jobs that nobody does any more", naive, safe)),
        "What the killed worker had claimed stayed claimed; nobody is told of it.");
  }
}
