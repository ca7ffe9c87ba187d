package dev.pgbelay.examples.demo.queue;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** The hand-written queue table against {@code job-queue}. */
public final class QueueScenario implements DemoScenario {
  private static final List<Study> STUDIES =
      List.of(new OneByOne(), new KilledWorker(), new StalledWorker());

  private static final String PROBLEM =
      "The queue that every team writes: a table, SKIP LOCKED, a transaction for each job. It stays"
          + " slow whatever the machine, what a killed worker had claimed stays claimed, and one that"
          + " was stopped for a minute goes on with jobs that somebody else has done meanwhile.";

  private static final List<String> CAVEATS =
      List.of(
          "The jobs do nothing, so the times are those of the queue. Both sides have eight threads"
              + " here; pgbelay writes results in batches and so may run a job again after a crash,"
              + " which the hand-written one does not.",
          "A worker is killed or stopped by suspending its connection pools in the middle of a job:"
              + " nothing of it reaches the database any more, its heartbeats included. The module's"
              + " tests use SIGKILL and SIGSTOP on real processes.",
          "The hand-written queue of the third line knows a lease for each job, and writes by the"
              + " job's id. That is what most of them do.");

  @Override
  public String id() {
    return "queue";
  }

  @Override
  public String summary() {
    return "Batches, rescue and fences against a queue table with SKIP LOCKED";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    SchemaInstaller.builder(context.dataSource()).modules("jobqueue").build().install();
    Findings findings = Findings.of(STUDIES, context);
    return new ScenarioResult(
        id(),
        "Job queue",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
