package dev.pgbelay.examples.demo.batching;

import static dev.pgbelay.examples.demo.orders.Orders.CREATED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.CUSTOMER_ID;
import static dev.pgbelay.examples.demo.orders.Orders.ID;
import static dev.pgbelay.examples.demo.orders.Orders.ORDERS;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.KeyedLoader;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** How long does a list of the newest orders with their lines take? */
final class ListView implements Study {
  private static final Table<Record> LINE = table(name("shop", "order_line"));
  private static final Field<Long> ORDER_ID =
      field(name("order_id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Integer> POSITION =
      field(name("position"), SQLDataType.INTEGER.nullable(false));
  private static final Field<Long> PRODUCT =
      field(name("product"), SQLDataType.BIGINT.nullable(false));
  private static final int ORDERS_WITH_LINES = 5_000;
  private static final int ORDERS_SHOWN = 40;
  private static final int LINES_SHOWN = 3;
  private static final int MOST_LINES = 6;
  private static final int ROUNDS = 101;

  private static final KeyedLoader<Long, Long> LINES =
      KeyedLoader.of(LINE, ORDER_ID).columns(PRODUCT).map(row -> row.get(PRODUCT)).build();

  @Override
  public Findings run(DemoContext context) {
    DSLContext dsl = context.primary();
    createLines(dsl);
    List<Double> naive = new ArrayList<>();
    List<Double> safe = new ArrayList<>();
    for (int round = 1; round <= ROUNDS; round++) {
      Map<Long, List<Long>> rowByRow = timed(naive, () -> rowByRow(dsl));
      Map<Long, List<Long>> loaded = timed(safe, () -> loaded(dsl));
      if (!rowByRow.equals(loaded)) {
        throw new IllegalStateException("the loader and the loop show different lines");
      }
      context.progress().step("List view", round, ROUNDS);
    }
    return new Findings(
        List.of(
            new Comparison(
                "list-view",
                "List the newest " + ORDERS_SHOWN + " orders with their first three lines",
                "a query for each order: " + (1 + ORDERS_SHOWN) + " statements",
                "KeyedLoader: 2 statements",
                Measure.millis(median(naive)),
                Measure.millis(median(safe)),
                List.of(),
                "One round trip more for every order on the page; nobody sees it in a test with three"
                    + " orders.")),
        List.of());
  }

  private static List<Long> newestOrders(DSLContext dsl) {
    return dsl.select(ID)
        .from(ORDERS)
        .orderBy(CREATED_AT.desc(), ID.desc())
        .limit(ORDERS_SHOWN)
        .fetch(ID);
  }

  private static Map<Long, List<Long>> rowByRow(DSLContext dsl) {
    Map<Long, List<Long>> lines = new LinkedHashMap<>();
    for (Long order : newestOrders(dsl)) {
      lines.put(
          order,
          dsl.select(PRODUCT)
              .from(LINE)
              .where(ORDER_ID.eq(order))
              .orderBy(POSITION)
              .limit(LINES_SHOWN)
              .fetch(PRODUCT));
    }
    return lines;
  }

  private static Map<Long, List<Long>> loaded(DSLContext dsl) {
    return LINES.children(dsl, newestOrders(dsl), LINES_SHOWN, List.of(POSITION.asc()));
  }

  /** None to six lines for each of the newest orders. */
  private static void createLines(DSLContext dsl) {
    dsl.dropTableIfExists(LINE).execute();
    dsl.createTable(LINE)
        .columns(ORDER_ID, POSITION, PRODUCT)
        .constraints(primaryKey(ORDER_ID, POSITION))
        .execute();
    Table<?> newest =
        select(ID, CUSTOMER_ID)
            .from(ORDERS)
            .orderBy(CREATED_AT.desc(), ID.desc())
            .limit(ORDERS_WITH_LINES)
            .asTable("newest");
    Table<?> positions = DSL.generateSeries(1, MOST_LINES).asTable("positions", "position");
    Field<Integer> position = field(name("positions", "position"), SQLDataType.INTEGER);
    dsl.insertInto(LINE, ORDER_ID, POSITION, PRODUCT)
        .select(
            select(ID, position, CUSTOMER_ID.plus(position))
                .from(newest, positions)
                .where(position.cast(SQLDataType.BIGINT).le(ID.mod(MOST_LINES + 1L))))
        .execute();
  }

  private static <T> T timed(List<Double> millis, Supplier<T> task) {
    long start = System.nanoTime();
    T result = task.get();
    millis.add((System.nanoTime() - start) / 1e6);
    return result;
  }

  private static double median(List<Double> millis) {
    return millis.stream().sorted().skip(millis.size() / 2).findFirst().orElse(Double.NaN);
  }
}
