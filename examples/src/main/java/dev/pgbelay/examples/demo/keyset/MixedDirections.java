package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.ORDERS;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.keyset.PageTimes.Depth;
import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.LineChart;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.List;
import java.util.Locale;

/** What does the usual hand-written cursor cost when the columns sort in opposite directions? */
final class MixedDirections implements Study {

  @Override
  public Findings run(DemoContext context) {
    KeysetPages keyset = KeysetPages.statusThenNewest(ORDERS);
    WholeRead read = WholeRead.of(keyset, context, "Reading by status");
    List<Depth> depths =
        new PageTimes(context, keyset, read)
            .measure(
                "Timing mixed directions",
                (offset, last) ->
                    NaiveWalks.plainOrPage(context.primary(), ORDERS, last, PageTimes.PAGE));
    Depth middle = middle(depths);
    return new Findings(
        List.of(
            new Comparison(
                "mixed-directions",
                String.format(
                    Locale.ROOT, "Open page %,d by status, then newest first", middle.page()),
                "cursor as a OR (b AND …)",
                "keyset, one index seek a branch",
                Measure.millis(middle.naive()),
                Measure.millis(middle.keyset()),
                List.of(),
                "The OR cannot become an index condition: the server filters every row before the"
                    + " page, as OFFSET does.")),
        List.of(
            new LineChart(
                "A cursor is not enough",
                "Ordered by status ascending, newest first within it, with a matching index. The"
                    + " cursor that most frameworks write is correct, and no faster than OFFSET, until so"
                    + " few rows are left behind it that the planner finds another way.",
                PageTimes.PAGE_NUMBER,
                PageTimes.TIME,
                List.of(
                    PageTimes.line(depths, "cursor with OR", Role.NAIVE, Depth::naive),
                    PageTimes.line(depths, "pgbelay keyset", Role.SAFE, Depth::keyset)))));
  }

  /** A page about half-way down: near the end a cursor with OR has little left to filter. */
  private static Depth middle(List<Depth> depths) {
    long end = depths.get(depths.size() - 1).page();
    return depths.stream().filter(d -> d.page() <= end * 0.55).reduce((a, b) -> b).orElseThrow();
  }
}
