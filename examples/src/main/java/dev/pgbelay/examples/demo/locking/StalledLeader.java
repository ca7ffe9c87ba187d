package dev.pgbelay.examples.demo.locking;

import static org.jooq.impl.DSL.currentOffsetDateTime;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.lock.lease.Lease;
import dev.pgbelay.lock.lease.LeaseLock;
import dev.pgbelay.lock.lease.LeaseLostException;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jooq.types.DayToSecond;

/** What does a leader write that was stopped for longer than its lease? */
final class StalledLeader implements Study {
  private static final Duration LEASE = Duration.ofSeconds(3);
  private static final int ROWS = 100;
  private static final int STOPPED_AFTER = 10;
  private static final String TASK = "A leader that is stopped";

  private static final Table<Record> PRICE = table(name("shop", "price"));
  private static final Field<Integer> ITEM =
      field(name("item"), SQLDataType.INTEGER.nullable(false));
  private static final Field<String> SET_BY = field(name("set_by"), SQLDataType.CLOB);

  private static final Table<Record> LEADER = table(name("shop", "leader"));
  private static final Field<Integer> ONLY =
      field(name("only"), SQLDataType.INTEGER.nullable(false));
  private static final Field<String> NAME = field(name("name"), SQLDataType.CLOB);
  private static final Field<OffsetDateTime> UNTIL =
      field(name("until"), SQLDataType.TIMESTAMPWITHTIMEZONE);

  /** One node of the service; while it is stopped nothing of it reaches the database. */
  private static final class Node implements AutoCloseable {
    private final String name;
    private final HikariDataSource work;
    private final HikariDataSource keepAlive;
    private final Transactions transactions;

    Node(DemoContext context, String name) throws SQLException {
      String url = context.dataSource().unwrap(HikariDataSource.class).getJdbcUrl();
      this.name = name;
      this.work = pool(url, 2);
      this.keepAlive = pool(url, 1);
      this.transactions = Transactions.of(work);
    }

    private static HikariDataSource pool(String url, int size) {
      HikariConfig config = new HikariConfig();
      config.setJdbcUrl(url);
      config.setMaximumPoolSize(size);
      config.setAllowPoolSuspension(true);
      return new HikariDataSource(config);
    }

    DSLContext dsl() {
      return DSL.using(work, SQLDialect.POSTGRES);
    }

    void stop() {
      work.getHikariPoolMXBean().suspendPool();
      keepAlive.getHikariPoolMXBean().suspendPool();
    }

    void resume() {
      keepAlive.getHikariPoolMXBean().resumePool();
      work.getHikariPoolMXBean().resumePool();
    }

    void write(DSLContext dsl, int item) {
      dsl.update(PRICE).set(SET_BY, name).where(ITEM.eq(item)).execute();
    }

    @Override
    public void close() {
      keepAlive.close();
      work.close();
    }
  }

  /** Sets all prices; {@code before} is called with each of them before it is set. */
  private interface Leading {
    void setPrices(Node node, IntConsumer before) throws InterruptedException;
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    SchemaInstaller.builder(context.dataSource()).modules("lock").build().install();
    int naive = overwritten(context, StalledLeader::withoutFence);
    context.progress().step(TASK, 1, 2);
    int safe = overwritten(context, StalledLeader::guarded);
    context.progress().step(TASK, 2, 2);
    return new Findings(List.of(comparison(naive, safe)), List.of());
  }

  /** How many of the successor's prices the first leader has overwritten in the end. */
  private static int overwritten(DemoContext context, Leading leading) throws Exception {
    DSLContext dsl = context.primary();
    create(dsl);
    try (Node first = new Node(context, "first");
        Node second = new Node(context, "second")) {
      CompletableFuture<Void> stopped = new CompletableFuture<>();
      CompletableFuture<Void> firstDone =
          CompletableFuture.runAsync(
              () ->
                  lead(
                      leading,
                      first,
                      item -> {
                        if (item == STOPPED_AFTER) {
                          first.stop();
                          stopped.complete(null);
                        }
                      }));
      stopped.get(30, TimeUnit.SECONDS);
      lead(leading, second, item -> {}); // waits until the lease is over
      first.resume();
      firstDone.get(30, TimeUnit.SECONDS);
    }
    int own = dsl.fetchCount(PRICE, SET_BY.eq("second"));
    int others = dsl.fetchCount(PRICE, SET_BY.eq("first"));
    if (own + others != ROWS) {
      throw new IllegalStateException(own + " and " + others + " prices were set, not " + ROWS);
    }
    return others;
  }

  private static void lead(Leading leading, Node node, IntConsumer before) {
    try {
      leading.setPrices(node, before);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /** Asks who leads, and then works. */
  private static void withoutFence(Node node, IntConsumer before) throws InterruptedException {
    await(() -> becomesLeader(node.dsl(), node.name));
    for (int item = 0; item < ROWS; item++) {
      before.accept(item);
      node.write(node.dsl(), item);
    }
  }

  private static boolean becomesLeader(DSLContext dsl, String name) {
    return dsl.update(LEADER)
            .set(NAME, name)
            .set(UNTIL, currentOffsetDateTime().plus(DayToSecond.valueOf(LEASE)))
            .where(UNTIL.lt(currentOffsetDateTime()))
            .execute()
        == 1;
  }

  /** Asks in each transaction that writes. */
  private static void guarded(Node node, IntConsumer before) throws InterruptedException {
    try (LeaseLock leases =
        LeaseLock.builder(node.transactions, node.keepAlive)
            .name(node.name)
            .holder(node.name)
            .duration(LEASE)
            .build()) {
      Lease lease = leases.acquire("prices", Duration.ofSeconds(20));
      try {
        for (int item = 0; item < ROWS; item++) {
          before.accept(item);
          int each = item;
          node.transactions.execute(
              tx -> {
                lease.guard(tx);
                node.write(tx.dsl(), each);
              });
        }
      } catch (LeaseLostException lost) {
        return; // somebody else does the work
      }
      lease.release();
    }
  }

  private static void await(BooleanSupplier done) throws InterruptedException {
    while (!done.getAsBoolean()) {
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }

  private static void create(DSLContext dsl) {
    dsl.dropTableIfExists(PRICE).execute();
    dsl.createTable(PRICE).columns(ITEM, SET_BY).constraints(primaryKey(ITEM)).execute();
    dsl.insertInto(PRICE, ITEM)
        .select(
            DSL.select(field(name("items", "item"), SQLDataType.INTEGER))
                .from(DSL.generateSeries(0, ROWS - 1).asTable("items", "item")))
        .execute();
    dsl.dropTableIfExists(LEADER).execute();
    dsl.createTable(LEADER).columns(ONLY, NAME, UNTIL).constraints(primaryKey(ONLY)).execute();
    dsl.insertInto(LEADER, ONLY, UNTIL).values(DSL.inline(1), currentOffsetDateTime()).execute();
  }

  private static Comparison comparison(int naive, int safe) {
    return new Comparison(
        "stalled-leader",
        String.format(
            Locale.ROOT,
            "Prices of the new leader that stand, once the old one wakes after its lease of %d seconds",
            LEASE.toSeconds()),
        "asks who leads, then writes",
        "Lease.guard in each transaction",
        Measure.rows(ROWS - naive),
        Measure.rows(ROWS - safe),
        List.of(new Damage("prices overwritten late", naive, safe)),
        "When it woke, the old leader went on where it had been, over what its successor had written"
            + " meanwhile.");
  }
}
