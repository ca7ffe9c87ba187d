package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.ORDERS;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.examples.demo.report.ShareChart;
import dev.pgbelay.examples.demo.report.ShareChart.Bar;
import java.util.BitSet;
import java.util.List;

/** What does a hand-written cursor lose on a table that nobody writes to? */
final class LostRows implements Study {
  private static final int PAGE = 1_000;

  @Override
  public Findings run(DemoContext context) {
    long all = context.rows();
    Counted ties =
        count(NaiveWalks.byCreatedAtOnly(context.primary(), ORDERS, PAGE), context, "Losing ties");
    Counted tiesSafe =
        count(
            KeysetPages.newestFirst(ORDERS).walk(PAGE, context.primary(), context.replica()),
            context,
            "Keeping ties");
    Counted nulls =
        count(NaiveWalks.byShippedAt(context.primary(), ORDERS, PAGE), context, "Losing NULLs");
    Counted nullsSafe =
        count(
            KeysetPages.firstShipped(ORDERS).walk(PAGE, context.primary(), context.replica()),
            context,
            "Keeping NULLs");
    return new Findings(
        List.of(
            comparison(
                "ties",
                "Walk all orders, newest first",
                "cursor created_at < last",
                all,
                ties,
                tiesSafe,
                "Imports gave 1,000 orders one created_at. Where a page ends inside such a run, the"
                    + " rest of it is skipped."),
            comparison(
                "nulls",
                "Walk all orders by shipping time",
                "cursor (shipped_at, id) > (…)",
                all,
                nulls,
                nullsSafe,
                "NULL compares with nothing: the walk ends before the orders that have not shipped,"
                    + " without an error.")),
        List.of(
            new ShareChart(
                "What one full walk brought back",
                "Nobody wrote to the table. The hatched part never arrived, and nothing said so.",
                List.of(
                    bar("Cursor on created_at alone", Role.NAIVE, all, ties),
                    bar("pgbelay, newest first", Role.SAFE, all, tiesSafe),
                    bar("Cursor on (shipped_at, id), NULLs last", Role.NAIVE, all, nulls),
                    bar("pgbelay, by shipping time", Role.SAFE, all, nullsSafe)))));
  }

  private static Comparison comparison(
      String id, String what, String naiveWay, long all, Counted naive, Counted safe, String why) {
    return new Comparison(
        id,
        what,
        naiveWay,
        "keyset, pages in turn from primary and replica",
        Measure.rows(naive.distinct()),
        Measure.rows(safe.distinct()),
        List.of(
            new Damage("rows skipped", all - naive.distinct(), all - safe.distinct()),
            new Damage("rows doubled", naive.doubled(), safe.doubled())),
        why);
  }

  private static Bar bar(String label, Role role, long all, Counted counted) {
    return new Bar(label, role, all, all - counted.distinct());
  }

  private record Counted(long distinct, long doubled) {}

  private static Counted count(Walk walk, DemoContext context, String task) {
    // Ids are dense from 1, so a bit each tells a repeated order from a new one.
    BitSet seen = new BitSet();
    long arrived = 0;
    for (List<OrderRow> page = walk.next(); !page.isEmpty(); page = walk.next()) {
      arrived += page.size();
      page.forEach(order -> seen.set(Math.toIntExact(order.id())));
      context.progress().step(task, arrived, context.rows());
    }
    if (arrived < context.rows()) {
      context.progress().step(task, context.rows(), context.rows());
    }
    return new Counted(seen.cardinality(), arrived - seen.cardinality());
  }
}
