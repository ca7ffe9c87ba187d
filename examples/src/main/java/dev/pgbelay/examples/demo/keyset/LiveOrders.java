package dev.pgbelay.examples.demo.keyset;

import static dev.pgbelay.examples.demo.orders.Orders.CREATED_AT;
import static dev.pgbelay.examples.demo.orders.Orders.CUSTOMER_ID;
import static dev.pgbelay.examples.demo.orders.Orders.ID;
import static dev.pgbelay.examples.demo.orders.Orders.ORDERS;
import static dev.pgbelay.examples.demo.orders.Orders.STATUS;
import static dev.pgbelay.examples.demo.orders.Orders.TOTAL;
import static org.jooq.impl.DSL.max;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.examples.demo.DemoContext;
import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.jooq.DSLContext;
import org.jooq.InsertValuesStep5;
import org.jooq.Record;
import org.jooq.Table;

/**
 * A copy of the newest orders that a writer changes while others read: orders come in at the head
 * of the list, and orders anywhere in it are deleted. Each change is one committed statement on a
 * connection of its own.
 */
final class LiveOrders {
  static final Table<Record> LIVE_ORDERS = table(name("shop", "live_orders"));
  private static final long MOST_ORDERS = 50_000;
  private static final int CHANGES = 200;
  private static final int LARGEST_CHANGE = 40;

  private final DSLContext dsl;
  private final long size;
  private final long seed;

  private Random random = new Random();
  private List<Long> doomed = List.of();
  private Set<Long> deleted = Set.of();
  private int changesLeft;
  private long nextId;
  private OffsetDateTime newest = OffsetDateTime.MIN;

  LiveOrders(DemoContext context) {
    this.dsl = context.primary();
    this.size = Math.min(context.rows(), MOST_ORDERS);
    this.seed = context.seed();
  }

  /** Makes the copy anew and the writer begin again; returns the ids, newest order first. */
  List<Long> refill() {
    dsl.dropTableIfExists(LIVE_ORDERS).execute();
    dsl.createTable(LIVE_ORDERS)
        .as(dsl.selectFrom(ORDERS).orderBy(OrderRow.NEWEST_FIRST).limit(size))
        .withData()
        .execute();
    dsl.alterTable(LIVE_ORDERS).add(primaryKey(ID)).execute();
    dsl.createIndex(name("live_orders_newest_first"))
        .on(LIVE_ORDERS, CREATED_AT.desc(), ID.desc())
        .execute();
    List<Long> ids = dsl.select(ID).from(LIVE_ORDERS).orderBy(OrderRow.NEWEST_FIRST).fetch(ID);
    random = new Random(seed);
    doomed = new ArrayList<>(ids);
    Collections.shuffle(doomed, random);
    deleted = new HashSet<>();
    changesLeft = CHANGES;
    nextId = dsl.select(max(ID)).from(ORDERS).fetchSingle().value1() + 1;
    newest = dsl.select(max(CREATED_AT)).from(LIVE_ORDERS).fetchSingle().value1();
    return ids;
  }

  /**
   * One change of {@value #CHANGES}: with even odds some orders come in, or some are deleted.
   * Nothing once all are made.
   */
  void write() {
    if (changesLeft == 0) {
      return;
    }
    changesLeft--;
    int change = 1 + random.nextInt(LARGEST_CHANGE);
    if (random.nextBoolean()) {
      insert(change);
    } else {
      delete(change);
    }
  }

  /** Makes the changes that are left, so that every walk is judged by the same stable orders. */
  void finish() {
    while (changesLeft > 0) {
      write();
    }
  }

  /** The orders that the writer has deleted since the last {@link #refill}. */
  Set<Long> deleted() {
    return Set.copyOf(deleted);
  }

  private void insert(int count) {
    InsertValuesStep5<Record, Long, Long, String, OffsetDateTime, BigDecimal> insert =
        dsl.insertInto(LIVE_ORDERS, ID, CUSTOMER_ID, STATUS, CREATED_AT, TOTAL);
    for (int i = 0; i < count; i++) {
      newest = newest.plusSeconds(1);
      insert = insert.values(nextId++, 1L, "new", newest, BigDecimal.TEN);
    }
    insert.execute();
  }

  private void delete(int count) {
    List<Long> ids = List.copyOf(doomed.subList(0, Math.min(count, doomed.size())));
    doomed = doomed.subList(ids.size(), doomed.size());
    dsl.deleteFrom(LIVE_ORDERS).where(ID.in(ids)).execute();
    deleted.addAll(ids);
  }
}
