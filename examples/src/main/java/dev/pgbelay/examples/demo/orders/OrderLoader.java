package dev.pgbelay.examples.demo.orders;

import dev.pgbelay.examples.demo.Progress;
import java.util.List;
import java.util.Random;
import org.jooq.DSLContext;

/** Fills {@link Orders} on the server. The same seed and number of rows give the same rows. */
public final class OrderLoader {
  private static final long CHUNK = 50_000;
  private static final double DAYS = 365;
  private static final List<String> FINISHING_TOUCHES =
      List.of(
          OrdersSql.ADD_PRIMARY_KEY,
          OrdersSql.INDEX_NEWEST_FIRST,
          OrdersSql.INDEX_STATUS_NEWEST_FIRST,
          OrdersSql.INDEX_SHIPPED,
          OrdersSql.VACUUM);

  private final DSLContext dsl;
  private final long rows;
  private final long seed;

  public OrderLoader(DSLContext dsl, long rows, long seed) {
    this.dsl = dsl;
    this.rows = rows;
    this.seed = seed;
  }

  /** Creates the table, fills it chunk by chunk, then indexes and analyses it. */
  public void load(Progress progress) {
    dsl.execute(OrdersSql.CREATE_SCHEMA);
    dsl.execute(OrdersSql.CREATE_ORDERS);
    Random seeds = new Random(seed);
    for (long first = 1; first <= rows; first += CHUNK) {
      insert(first, Math.min(rows, first + CHUNK - 1), seeds.nextDouble());
      progress.step("Loading orders", Math.min(rows, first + CHUNK - 1), rows);
    }
    for (int i = 0; i < FINISHING_TOUCHES.size(); i++) {
      dsl.execute(FINISHING_TOUCHES.get(i));
      progress.step("Indexing orders", i + 1, FINISHING_TOUCHES.size());
    }
  }

  private void insert(long first, long last, double chunkSeed) {
    double customers = Math.max(100, rows / 20.0);
    dsl.transaction(
        inner -> {
          inner.dsl().fetch(OrdersSql.SEED_RANDOM, chunkSeed);
          inner.dsl().execute(OrdersSql.INSERT_CHUNK, DAYS / rows, customers, first, last);
        });
  }
}
