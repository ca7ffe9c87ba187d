package dev.pgbelay.examples.demo.batching;

import static dev.pgbelay.examples.demo.batching.Stock.STOCK;
import static org.jooq.impl.DSL.excluded;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jooq.DSLContext;
import org.jooq.InsertValuesStep5;
import org.jooq.Record;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;

/** What happens when warehouses report the same products at the same time? */
final class OverlappingUpserts implements Study {
  private static final int CLIENTS = 4;
  private static final int BATCHES = 15;
  private static final int PRODUCTS = 300;
  private static final String TASK = "Overlapping upserts";

  private record Run(double millis, long deadlocks) {}

  /** Writes one batch in a transaction of its own. */
  private interface Upsert {
    void write(List<Stock.Count> batch);
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    DSLContext dsl = context.primary();
    Run naive = run(context, batch -> unsorted(dsl, batch));
    context.progress().step(TASK, 1, 2);
    Run safe =
        run(context, batch -> context.transactions().run(tx -> Stock.WRITER.upsert(tx, batch)));
    context.progress().step(TASK, 2, 2);
    return new Findings(
        List.of(
            new Comparison(
                "overlapping-upserts",
                String.format(
                    Locale.ROOT,
                    "%d clients upsert the same %d rows %d times each",
                    CLIENTS,
                    PRODUCTS,
                    BATCHES),
                "INSERT … ON CONFLICT in the order at hand",
                "BatchWriter.upsert: in the order of the key",
                Measure.millis(naive.millis()),
                Measure.millis(safe.millis()),
                List.of(
                    new Damage("batches lost to deadlocks", naive.deadlocks(), safe.deadlocks())),
                "Each of two batches held a row that the other one wanted; the server killed one of"
                    + " them, with all its rows.")),
        List.of());
  }

  private static Run run(DemoContext context, Upsert upsert) throws Exception {
    Stock.create(context.primary());
    context.transactions().run(tx -> Stock.WRITER.insert(tx, Stock.counts(PRODUCTS, 0)));
    ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
    try {
      long start = System.nanoTime();
      List<Future<Long>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        Random random = new Random(context.seed() + client);
        running.add(clients.submit(() -> write(upsert, random)));
      }
      long deadlocks = 0;
      for (Future<Long> each : running) {
        deadlocks += each.get();
      }
      return new Run((System.nanoTime() - start) / 1e6, deadlocks);
    } finally {
      clients.shutdownNow();
    }
  }

  private static long write(Upsert upsert, Random random) {
    long deadlocks = 0;
    for (int batch = 1; batch <= BATCHES; batch++) {
      List<Stock.Count> counts = new ArrayList<>(Stock.counts(PRODUCTS, batch));
      Collections.shuffle(counts, random);
      try {
        upsert.write(counts);
      } catch (DataAccessException e) {
        if (Failures.classify(e) != FailureKind.DEADLOCK) {
          throw e;
        }
        deadlocks++;
      }
    }
    return deadlocks;
  }

  private static void unsorted(DSLContext dsl, List<Stock.Count> batch) {
    dsl.transaction(
        inner -> {
          inner
              .dsl()
              .select(
                  DSL.function(
                      "set_config",
                      String.class,
                      DSL.inline("deadlock_timeout"),
                      DSL.inline("100ms"),
                      DSL.inline(true)))
              .fetch();
          InsertValuesStep5<Record, Long, Integer, Integer, OffsetDateTime, String> insert =
              inner
                  .dsl()
                  .insertInto(
                      STOCK,
                      Stock.PRODUCT,
                      Stock.WAREHOUSE,
                      Stock.LEVEL,
                      Stock.COUNTED_AT,
                      Stock.NOTE);
          for (Stock.Count c : batch) {
            insert = insert.values(c.product(), c.warehouse(), c.level(), c.countedAt(), c.note());
          }
          insert
              .onConflict(Stock.PRODUCT)
              .doUpdate()
              .set(Stock.LEVEL, excluded(Stock.LEVEL))
              .set(Stock.COUNTED_AT, excluded(Stock.COUNTED_AT))
              .execute();
        });
  }
}
