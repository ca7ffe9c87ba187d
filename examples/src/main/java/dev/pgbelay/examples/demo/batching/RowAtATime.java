package dev.pgbelay.examples.demo.batching;

import static dev.pgbelay.examples.demo.batching.Stock.STOCK;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.List;
import java.util.Locale;
import org.jooq.DSLContext;

/** How long does it take to write the stock levels of many products? */
final class RowAtATime implements Study {
  private static final int WARM_UP = 2_000;
  private static final int MOST = 20_000;

  @Override
  public Findings run(DemoContext context) {
    int rows = (int) Math.min(MOST, context.rows());
    naive(context, Stock.counts(Math.min(WARM_UP, rows), 1));
    safe(context, Stock.counts(Math.min(WARM_UP, rows), 1));
    List<Stock.Count> counts = Stock.counts(rows, 7);
    double naive = naive(context, counts);
    context.progress().step("Writing row by row", 1, 2);
    double safe = safe(context, counts);
    context.progress().step("Writing row by row", 2, 2);
    return new Findings(
        List.of(
            new Comparison(
                "row-at-a-time",
                String.format(Locale.ROOT, "Insert %,d rows in one transaction", rows),
                "an INSERT for each row",
                "one batch",
                Measure.millis(naive),
                Measure.millis(safe),
                List.of(),
                "Nothing but time: a round trip, a parse and an execution for each row.")),
        List.of());
  }

  private static double naive(DemoContext context, List<Stock.Count> counts) {
    Stock.create(context.primary());
    long start = System.nanoTime();
    context
        .primary()
        .transaction(
            inner -> {
              for (Stock.Count c : counts) {
                insert(inner.dsl(), c);
              }
            });
    return millisOf(context, counts, start);
  }

  private static void insert(DSLContext dsl, Stock.Count c) {
    dsl.insertInto(STOCK)
        .set(Stock.PRODUCT, c.product())
        .set(Stock.WAREHOUSE, c.warehouse())
        .set(Stock.LEVEL, c.level())
        .set(Stock.COUNTED_AT, c.countedAt())
        .set(Stock.NOTE, c.note())
        .execute();
  }

  private static double safe(DemoContext context, List<Stock.Count> counts) {
    Stock.create(context.primary());
    long start = System.nanoTime();
    context.transactions().run(tx -> Stock.WRITER.insert(tx, counts));
    return millisOf(context, counts, start);
  }

  private static double millisOf(DemoContext context, List<Stock.Count> counts, long start) {
    double millis = (System.nanoTime() - start) / 1e6;
    int written = context.primary().fetchCount(STOCK);
    if (written != counts.size()) {
      throw new IllegalStateException(written + " rows were written, not " + counts.size());
    }
    return millis;
  }
}
