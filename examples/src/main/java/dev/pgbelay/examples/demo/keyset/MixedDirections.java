package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.ORDERS;

import dev.pgbelay.examples.demo.DemoContext;
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
    Depth deepest = depths.get(depths.size() - 1);
    return new Findings(
        List.of(
            new Comparison(
                "mixed-directions",
                String.format(
                    Locale.ROOT, "Open page %,d by status, then newest first", deepest.page()),
                "cursor as a OR (b AND …)",
                "keyset, one index seek a branch",
                Measure.millis(deepest.naive()),
                Measure.millis(deepest.keyset()),
                List.of(),
                "The OR cannot become an index condition: the server filters every row before the"
                    + " page, as OFFSET does.")),
        List.of(
            new LineChart(
                "A cursor is not enough",
                "Ordered by status ascending, newest first within it, with a matching index. The"
                    + " cursor that most frameworks write is correct, and as slow as OFFSET.",
                PageTimes.PAGE_NUMBER,
                PageTimes.TIME,
                List.of(
                    PageTimes.line(depths, "cursor with OR", Role.NAIVE, Depth::naive),
                    PageTimes.line(depths, "pgbelay keyset", Role.SAFE, Depth::keyset)))));
  }
}
