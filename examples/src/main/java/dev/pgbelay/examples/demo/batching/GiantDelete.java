package dev.pgbelay.examples.demo.batching;

import static dev.pgbelay.examples.demo.batching.Visits.ID;
import static dev.pgbelay.examples.demo.batching.Visits.MADE_AT;
import static dev.pgbelay.examples.demo.batching.Visits.VISIT;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.batching.Clients.Seen;
import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.LineChart;
import dev.pgbelay.examples.demo.report.LineChart.Axis;
import dev.pgbelay.examples.demo.report.LineChart.Line;
import dev.pgbelay.examples.demo.report.LineChart.Scale;
import dev.pgbelay.examples.demo.report.Measure;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.jooq.DSLContext;

/** What do the other clients notice while half of a table is deleted? */
final class GiantDelete implements Study {
  private static final long MOST_ROWS = 500_000;
  private static final String TASK = "Purging while others write";

  @Override
  public Findings run(DemoContext context) throws Exception {
    DSLContext dsl = context.primary();
    SchemaInstaller.builder(context.dataSource()).modules("batch").build().install();
    long rows = Math.min(MOST_ROWS, context.rows());
    Clients clients = new Clients(dsl, rows);
    Visits.create(dsl, rows);
    context.progress().step(TASK, 1, 4);
    Seen naive = clients.during(() -> deleteAll(dsl), context.seed());
    requireGone(dsl);
    context.progress().step(TASK, 2, 4);
    Visits.create(dsl, rows);
    context.progress().step(TASK, 3, 4);
    ChunkedJob purge =
        Purge.olderThan(
                context.transactions(),
                "purge-visits",
                VISIT,
                MADE_AT,
                Duration.ofDays(Visits.KEPT_DAYS))
            .key(MADE_AT, ID)
            .target(Duration.ofMillis(100))
            .build();
    Seen safe = clients.during(purge::run, context.seed());
    requireGone(dsl);
    context.progress().step(TASK, 4, 4);
    return new Findings(List.of(comparison(rows / 2, naive, safe)), List.of(chart(naive, safe)));
  }

  private static void deleteAll(DSLContext dsl) {
    dsl.deleteFrom(VISIT).where(MADE_AT.lt(Visits.daysAgo(Visits.KEPT_DAYS))).execute();
  }

  private static void requireGone(DSLContext dsl) {
    long left = Visits.old(dsl);
    if (left > 0) {
      throw new IllegalStateException(left + " old visits were left");
    }
  }

  private static Comparison comparison(long deleted, Seen naive, Seen safe) {
    return new Comparison(
        "giant-delete",
        String.format(Locale.ROOT, "p99 of other writes while %,d rows are deleted", deleted),
        String.format(Locale.ROOT, "one DELETE, %.1f s", naive.otherMillis() / 1e3),
        String.format(
            Locale.ROOT, "Purge in chunks of about 100 ms, %.1f s", safe.otherMillis() / 1e3),
        Measure.millis(naive.p99()),
        Measure.millis(safe.p99()),
        List.of(new Damage("writes over 250 ms", naive.late(), safe.late())),
        "Whoever meets a row that the DELETE has locked waits until the whole of it is committed, and"
            + " what comes behind waits as well.");
  }

  private static LineChart chart(Seen naive, Seen safe) {
    return new LineChart(
        "What the other clients notice of the purge",
        "The slowest write of one row that was due in each tenth of a second. The deletion begins"
            + " after 0.7 seconds; one write in fifty goes to an old row.",
        new Axis("seconds", Scale.LINEAR, ""),
        new Axis("slowest write", Scale.LOG, "ms"),
        List.of(
            new Line("one DELETE", Role.NAIVE, naive.worst()),
            new Line("pgbelay purge", Role.SAFE, safe.worst())));
  }
}
