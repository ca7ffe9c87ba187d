package dev.pgbelay.examples.demo.outbox;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** Publishing beside the transaction against {@code outbox}. */
public final class OutboxScenario implements DemoScenario {
  private static final List<Study> STUDIES =
      List.of(new CrashInBetween(), new RolledBack(), new Backlog());

  private static final String PROBLEM =
      "Write to the database, then publish: whoever dies in between has a purchase that nobody hears"
          + " of. Publish first, and a rollback leaves an event about a purchase that does not"
          + " exist. A table of events that is read one by one has neither, and does not keep up.";

  private static final List<String> CAVEATS =
      List.of(
          "A process dies by having its connection pools suspended right behind a commit: nothing of"
              + " it reaches the database any more. Its relay's lease is one second here, thirty"
              + " unless said.",
          "The broker is a set in this process that takes whatever it is sent, so the backlog's"
              + " times are those of the outbox alone; through Kafka they are longer. The one by"
              + " one is extrapolated from a hundredth of the events.");

  @Override
  public String id() {
    return "outbox";
  }

  @Override
  public String summary() {
    return "Events lost and invented beside the commit, and a backlog that is drained in order";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    SchemaInstaller.builder(context.dataSource()).modules("outbox").build().install();
    Relaying.route(context.transactions());
    Findings findings = Findings.of(STUDIES, context);
    return new ScenarioResult(
        id(),
        "Outbox",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
