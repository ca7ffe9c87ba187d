package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.keyset.LiveOrders.LIVE_ORDERS;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.keyset.Drift.Outcome;
import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.LineChart;
import dev.pgbelay.examples.demo.report.LineChart.Axis;
import dev.pgbelay.examples.demo.report.LineChart.Line;
import dev.pgbelay.examples.demo.report.LineChart.Scale;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.List;
import java.util.Locale;

/** What does a walk miss or repeat while orders come in and go? */
final class WhileOthersWrite implements Study {
  private static final int PAGE = 250;

  @Override
  public Findings run(DemoContext context) {
    LiveOrders orders = new LiveOrders(context);
    Drift drift = new Drift(orders);
    Outcome naive = drift.during(NaiveWalks.byOffset(context.primary(), LIVE_ORDERS, PAGE));
    context.progress().step("Paging while others write", 1, 2);
    Outcome safe = drift.during(KeysetPages.newestFirst(LIVE_ORDERS).walk(PAGE, context.primary()));
    context.progress().step("Paging while others write", 2, 2);
    return new Findings(List.of(comparison(naive, safe)), List.of(chart(naive, safe)));
  }

  private static Comparison comparison(Outcome naive, Outcome safe) {
    return new Comparison(
        "while-others-write",
        String.format(Locale.ROOT, "Page through %,d orders while others write", naive.stable()),
        "OFFSET",
        "keyset",
        Measure.rows(naive.stable() - naive.skipped()),
        Measure.rows(safe.stable() - safe.skipped()),
        List.of(
            new Damage("rows skipped", naive.skipped(), safe.skipped()),
            new Damage("rows doubled", naive.doubled(), safe.doubled())),
        "Orders that come in push rows onto the next page again; deleted orders pull rows onto the"
            + " page already read.");
  }

  private static LineChart chart(Outcome naive, Outcome safe) {
    return new LineChart(
        "Rows skipped and doubled as the walk goes on",
        "Of the orders that were there before the walk and still after it. Between every two pages"
            + " a writer commits one change: a few orders come in, or a few are deleted.",
        new Axis("page number", Scale.LINEAR, ""),
        new Axis("rows so far", Scale.LINEAR, ""),
        List.of(
            new Line("OFFSET, rows skipped", Role.NAIVE, naive.skippedByPage()),
            new Line("OFFSET, rows doubled", Role.NAIVE_TOO, naive.doubledByPage()),
            new Line("pgbelay keyset, both", Role.SAFE, safe.harmByPage())));
  }
}
