package dev.pgbelay.examples.demo.batching;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** Rows one by one, unsorted upserts, N+1 reads and one giant DELETE against {@code batching}. */
public final class BatchingScenario implements DemoScenario {
  private static final List<Study> STUDIES =
      List.of(new RowAtATime(), new OverlappingUpserts(), new ListView(), new GiantDelete());

  private static final String PROBLEM =
      "A statement for each row costs a round trip for each row. Batches that lock the same rows in"
          + " different orders deadlock. One DELETE of half a table holds every lock it took until"
          + " its end, and whoever meets one of them waits.";

  private static final List<String> CAVEATS =
      List.of(
          "One machine, client and server on the same processors, no network between them: with one,"
              + " whatever sends a statement for each row is slower still. Read the factors, not the"
              + " milliseconds; every figure of time is one run.",
          "The upserts overlap by design: all clients write the same rows, each in an order of its"
              + " own, and PostgreSQL looks for deadlocks after 100 ms instead of its default second"
              + " so that the demo does not take minutes. The deadlocked transactions are not"
              + " repeated in the naive run; with the default, each costs ten times as long.",
          "During the purge, one write in fifty goes to a row that is about to be deleted, and a write"
              + " counts as late from the moment at which it was due. A client that is never going to"
              + " touch an old row does not notice the giant DELETE's locks, only its load.",
          "The purge takes longer than the DELETE: it goes in short transactions and gives way. Rows"
              + " that are committed behind its position are left for its next run.");

  @Override
  public String id() {
    return "batching";
  }

  @Override
  public String summary() {
    return "Batches, loaders and chunked purges against rows one by one and one giant DELETE";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    Findings findings = Findings.of(STUDIES, context);
    return new ScenarioResult(
        id(),
        "Batching",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
