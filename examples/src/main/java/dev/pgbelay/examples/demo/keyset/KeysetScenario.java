package dev.pgbelay.examples.demo.keyset;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** OFFSET and hand-written cursors against {@code keyset-pagination}. */
public final class KeysetScenario implements DemoScenario {
  private static final List<Study> STUDIES =
      List.of(new NewestFirst(), new MixedDirections(), new WhileOthersWrite(), new LostRows());

  private static final String PROBLEM =
      "OFFSET makes the server read and drop every row before the page, and counts from a start"
          + " that moves while others write. A cursor written by hand is fast, until two rows share"
          + " a timestamp, a column is NULL, or two columns sort in opposite directions.";

  private static final List<String> CAVEATS =
      List.of(
          "One machine, client and server on the same processors, no network between them: read"
              + " the factors, not the milliseconds. A page's time is the median of 5 to 25 rounds"
              + " in which both ways take turns, and both returned the same orders in every round.",
          "The table was just loaded and sits in memory. Where it has to come from disk, a deep"
              + " OFFSET is worse.",
          "The writer commits one change between every two pages, up to 40 orders at a time. That"
              + " is forced so that the count does not depend on luck; a calmer writer does less"
              + " harm, not none.",
          "Keyset has its price: there is no jump to page 5,000, only onwards from where the reader"
              + " stands or from a value of the sort key. It promises each order that is there all"
              + " the while, once; not those that come in behind the reader, nor those whose sort"
              + " key changes on the way.");

  @Override
  public String id() {
    return "keyset";
  }

  @Override
  public String summary() {
    return "Keyset pagination against OFFSET and hand-written cursors";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    Findings findings = Findings.of(STUDIES, context);
    return new ScenarioResult(
        id(),
        "Keyset pagination",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
