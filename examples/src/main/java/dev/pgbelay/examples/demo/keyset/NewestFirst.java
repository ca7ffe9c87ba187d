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
import org.jooq.DSLContext;

/** How long does a page deep in the list take, and the whole list, by OFFSET and by keyset? */
final class NewestFirst implements Study {
  private static final int SAMPLES = 8;

  @Override
  public Findings run(DemoContext context) {
    KeysetPages keyset = KeysetPages.newestFirst(ORDERS);
    WholeRead read = WholeRead.of(keyset, context, "Reading newest first");
    List<Depth> depths =
        new PageTimes(context, keyset, read)
            .measure(
                "Timing deep pages",
                (offset, last) -> byOffset(context.primary(), offset, PageTimes.PAGE));
    return new Findings(
        List.of(deepPage(depths.get(depths.size() - 1)), wholeRead(context, read)),
        List.of(
            new LineChart(
                "A page deep in the list",
                "Newest orders first, 50 a page. OFFSET pays for every row before the page; keyset"
                    + " starts where the last page ended.",
                PageTimes.PAGE_NUMBER,
                PageTimes.TIME,
                List.of(
                    PageTimes.line(depths, "OFFSET", Role.NAIVE, Depth::naive),
                    PageTimes.line(depths, "pgbelay keyset", Role.SAFE, Depth::keyset)))));
  }

  private static Comparison deepPage(Depth deepest) {
    return new Comparison(
        "deep-page",
        String.format(Locale.ROOT, "Open page %,d of the newest orders", deepest.page()),
        "LIMIT … OFFSET …",
        "keyset",
        Measure.millis(deepest.naive()),
        Measure.millis(deepest.keyset()),
        List.of(),
        String.format(
            Locale.ROOT,
            "The server read %,d rows and threw them away to return %d.",
            (deepest.page() - 1) * PageTimes.PAGE,
            PageTimes.PAGE));
  }

  private static Comparison wholeRead(DemoContext context, WholeRead read) {
    return new Comparison(
        "whole-read",
        String.format(
            Locale.ROOT, "Read all %,d orders, %,d a page", context.rows(), WholeRead.PAGE),
        "OFFSET, reckoned from " + SAMPLES + " pages",
        "keyset, every page read",
        Measure.estimatedSeconds(offsetSeconds(context)),
        Measure.seconds(read.seconds()),
        List.of(),
        "The time grows with the square of the table: twice the orders, four times the wait.");
  }

  /** A page's time grows in a straight line, so pages spread evenly give the mean of all. */
  private static double offsetSeconds(DemoContext context) {
    long start = System.nanoTime();
    for (int sample = 0; sample < SAMPLES; sample++) {
      long offset = (long) ((sample + 0.5) / SAMPLES * context.rows());
      byOffset(context.primary(), offset, WholeRead.PAGE);
    }
    double secondsPerPage = (System.nanoTime() - start) / 1e9 / SAMPLES;
    return secondsPerPage * context.rows() / WholeRead.PAGE;
  }

  private static List<OrderRow> byOffset(DSLContext dsl, long offset, int size) {
    return NaiveWalks.offsetPage(dsl, ORDERS, OrderRow.NEWEST_FIRST, offset, size);
  }
}
