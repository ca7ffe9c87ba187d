package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.inline;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.ds.PGSimpleDataSource;

/** What a chunk reads, how fast chunks follow each other, and who waits for whom. */
class PropagationChunksTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private Declarations declarations = Declarations.of("0");

  private Propagation.Builder worker(Reference... references) {
    declarations = Declarations.of("1", references);
    return Propagation.builder(shop.transactions, declarations);
  }

  private Propagation.Builder captured(Reference... references) {
    Propagation.Builder worker = worker(references);
    DeleteCapture.of(shop.transactions, declarations).install();
    return worker;
  }

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
    shop.dsl.execute("drop function if exists count_blocks cascade");
    shop.dsl.execute("drop table if exists blocks_read");
    shop.dsl.execute("drop index if exists orders_customer_id_key");
  }

  private int queued() {
    return shop.count("select count(*) from pgbelay.reconcile_deleted");
  }

  enum Rule {
    CASCADE,
    SET_NULL,
    SOFT_DELETE
  }

  @ParameterizedTest
  @EnumSource(Rule.class)
  void chunkOfALargeDelete_readsAsMuchAtTheEndAsAtTheBeginning(Rule rule) {
    int children = FULL ? 1_000_000 : 5_000;
    int chunk = Math.min(10_000, children / 50);
    shop.customers(3);
    shop.dsl.execute("create index orders_customer_id_key on orders (customer_id, id)");
    shop.dsl.execute(
        "insert into orders select g, 1 + g % 2 from generate_series(4, ?) g", children * 2 + 3);
    shop.dsl.execute("vacuum analyze orders");
    Propagation worker =
        captured(
                ShopFixture.orderCustomer()
                    .onDelete(
                        switch (rule) {
                          case CASCADE -> OnDelete.cascade();
                          case SET_NULL -> OnDelete.setNull();
                          case SOFT_DELETE ->
                              OnDelete.softDelete(Map.of(ShopFixture.STATUS, inline("cancelled")));
                        })
                    .build())
            .chunk(chunk)
            .dutyPercent(100)
            .confirmAbove(10_000_000)
            .build();
    countBlocks();
    shop.dsl.execute("delete from customers where id = 1");
    Drain.within(1_000_000, worker);
    assertThat(queued()).isZero();
    assertThat(
            shop.count(
                "select count(*) from orders where customer_id = 1"
                    + (rule == Rule.SOFT_DELETE ? " and status <> 'cancelled'" : "")))
        .isZero();
    assertThat(shop.count("select count(*) from orders where customer_id = 2"))
        .isEqualTo(children + 1);
    List<Long> blocks =
        shop.dsl.fetch("select n from blocks_read order by id").getValues(0, Long.class);
    assertThat(blocks).as("two walks").hasSizeLessThan(2 * (children / chunk) + 10);
    List<Long> whole = blocks.subList(1, children / chunk);
    long first = median(whole.subList(0, 10));
    long last = median(whole.subList(whole.size() - 10, whole.size()));
    System.out.printf(
        "%s of %,d children in chunks of %,d: %,d blocks a chunk at first, %,d at last%n",
        rule, children, chunk, first, last);
    assertThat(last).as("%s", blocks).isLessThan(first * 3 / 2);
    long most = whole.stream().mapToLong(Long::longValue).max().orElseThrow();
    assertThat(most).as("%s", blocks).isLessThan(first * 2);
  }

  private static long median(List<Long> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  /** At the end of each chunk, which blocks of children and of what is kept it has asked for. */
  private void countBlocks() {
    shop.dsl.execute("create table blocks_read (id bigint generated always as identity, n bigint)");
    shop.dsl.execute(
        """
        create or replace function count_blocks() returns trigger language plpgsql as $$
        begin
          insert into blocks_read (n)
            select sum(pg_stat_get_xact_blocks_fetched(c.oid)) from pg_class c
             where c.oid = any (array['orders'::regclass, 'pgbelay.reconcile_undo'::regclass])
                or c.oid in (select indexrelid from pg_index
                              where indrelid in ('orders'::regclass, 'pgbelay.reconcile_undo'::regclass));
          perform pg_stat_force_next_flush();
          return null;
        end $$
        """);
    shop.dsl.execute(
        "create or replace trigger count_blocks after update on pgbelay.reconcile_deleted"
            + " for each statement execute function count_blocks()");
  }

  @Test
  void chunksOfTheLibrarysRules_areNotFlushedByThemselves_andThoseOfOwnRulesAsTheSessionSays() {
    shop.customers(2);
    shop.dsl.execute("create table if not exists seen_commit (setting text)");
    shop.dsl.execute(
        """
        create or replace function see_commit() returns trigger language plpgsql as $$
        begin
          insert into seen_commit values (current_setting('synchronous_commit'));
          return old;
        end $$
        """);
    shop.dsl.execute(
        "create or replace trigger see_commit before delete on orders"
            + " for each row execute function see_commit()");
    PGSimpleDataSource local = new PGSimpleDataSource();
    local.setUrl(postgres.jdbcUrl());
    local.setOptions("-c synchronous_commit=local");
    OnDelete own =
        OnDelete.custom(
            (tx, reference, children) ->
                tx.dsl().deleteFrom(reference.child()).where(children).execute());
    for (OnDelete rule : List.of(OnDelete.cascade(), own)) {
      captured(ShopFixture.orderCustomer().onDelete(rule).build());
      shop.dsl.execute("delete from customers where id = (select min(customer_id) from orders)");
      Drain.within(1_000_000, Propagation.builder(Transactions.of(local), declarations).build());
    }
    assertThat(shop.dsl.fetch("select setting from seen_commit").getValues(0, String.class))
        .containsExactly("off", "local");
    shop.dsl.execute("drop function see_commit cascade");
    shop.dsl.execute("drop table seen_commit");
  }

  @Test
  void parentInsertedAgainBetweenTwoChunks_keepsTheRest() {
    shop.customers(8);
    shop.dsl.execute("update orders set customer_id = 1");
    Propagation worker =
        captured(ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build()).chunk(3).build();
    shop.dsl.execute("delete from customers where id = 1");
    assertThat(worker.runOnce().work()).isEqualTo(3);
    shop.dsl.execute("insert into customers values (1, 'again')");
    Drain.within(1_000_000, worker);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(5);
    assertThat(queued()).isZero();
  }

  @Test
  void workerThatWaitsForAChild_holdsNoOther() throws Exception {
    shop.customers(1);
    shop.dsl.execute("insert into orders select g, 1 from generate_series(10, 12) g");
    Propagation worker =
        captured(ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build()).build();
    shop.dsl.execute("delete from customers where id = 1");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session one = script.session("one");
      Interleaving.Session other = script.session("other");
      Interleaving.Session deleter = script.session("worker");
      one.run(c -> sql(c, "select from orders where id = 11 for update"));
      other.run(c -> sql(c, "select from orders where id = 12 for update"));
      assertThat(worker.runOnce().work()).isEqualTo(2);
      Interleaving.Step<Boolean> draining =
          deleter.startOwn(
              "drain",
              () -> {
                Drain.within(
                    1_000_000,
                    Propagation.builder(Transactions.of(deleter.dataSource()), declarations)
                        .lockTimeout(Duration.ofMinutes(1))
                        .chunkTimeout(Duration.ofMinutes(2))
                        .build());
                return true;
              });
      draining.awaitBlockedBy(one);
      one.commit();
      draining.awaitBlockedBy(other);
      other.run(c -> sql(c, "select from orders where id = 11 for update nowait"));
      other.commit();
      assertThat(draining.get()).isTrue();
    }
    assertThat(shop.count("select count(*) from orders")).isZero();
  }

  private static void sql(java.sql.Connection connection, String text) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  @Test
  void workerThatIsStoppedPastItsTime_losesTheDelete_andWritesNothingWhenItGoesOn()
      throws Exception {
    shop.customers(3);
    CountDownLatch stopped = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicBoolean first = new AtomicBoolean(true);
    Propagation worker =
        captured(
                ShopFixture.orderCustomer()
                    .onDelete(
                        OnDelete.custom(
                            (tx, reference, children) -> {
                              if (first.getAndSet(false)) {
                                stopped.countDown();
                                await(goOn);
                              }
                              return tx.dsl()
                                  .update(reference.child())
                                  .set(ShopFixture.TOTAL, ShopFixture.TOTAL.add(1))
                                  .where(children)
                                  .execute();
                            }))
                    .build())
            .chunkTimeout(Duration.ofSeconds(1))
            .build();
    shop.dsl.execute("delete from customers where id = 2");
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      Future<?> late = thread.submit(worker::runOnce);
      assertThat(stopped.await(1, TimeUnit.MINUTES)).isTrue();
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () -> {
                Drain.within(1_000_000, worker);
                return queued() == 0;
              });
      goOn.countDown();
      late.get(1, TimeUnit.MINUTES);
    } finally {
      goOn.countDown();
      thread.shutdownNow();
    }
    assertThat(shop.count("select total::int from orders where id = 2")).isEqualTo(21);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isEqualTo(1);
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(2, TimeUnit.MINUTES)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
