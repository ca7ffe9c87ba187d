package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static dev.pgbelay.keyset.OrdersSchema.SHIPPED_AT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.keyset.KeysetExport.Progress;
import dev.pgbelay.testing.PostgresExtension;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KeysetExportPostgresTest {
  private static final int ROWS = 150_000;

  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final KeysetQuery<Long> byTime =
      KeysetQuery.from(select(ID).from(ORDERS))
          .named("all-orders")
          .orderBy(SHIPPED_AT.desc().nullsLast(), ID.asc())
          .unique(ID)
          .cursors(CODEC)
          .mapRow(row -> row.getLong(1))
          .build();

  @BeforeAll
  static void load(DataSource dataSource) {
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.execute(
        """
        create table orders (
          id bigint primary key, created_at timestamptz not null, shipped_at timestamptz,
          note text not null)
        """);
    dsl.execute(
        """
        insert into orders
        select i, timestamptz '2026-01-01' + i * interval '1 s',
               case when i %% 3 > 0 then timestamptz '2026-02-01' + (i / 5) * interval '1 us' end,
               repeat('x', 400)
        from generate_series(1, %d) i
        """
            .formatted(ROWS));
    dsl.execute("create index on orders (shipped_at desc nulls last, id)");
    dsl.execute("analyze orders");
  }

  private List<Long> expected() {
    return dsl.select(ID).from(ORDERS).orderBy(SHIPPED_AT.desc().nullsLast(), ID.asc()).fetch(ID);
  }

  @Test
  void run_handsOnEveryRowOnceInOrder() {
    List<Long> seen = new ArrayList<>();
    List<Progress> progress = new ArrayList<>();
    Progress end =
        KeysetExport.of(byTime, transactions)
            .chunkRows(ROWS / 3)
            .onProgress(progress::add)
            .run(seen::add);
    assertThat(seen).isEqualTo(expected());
    assertThat(end).isEqualTo(new Progress(ROWS, Optional.empty(), true));
    // An exact multiple: the third chunk is full, and only a fourth can know that it was the last.
    assertThat(progress)
        .extracting(Progress::rows)
        .containsExactly(50_000L, 100_000L, 150_000L, 150_000L);
    assertThat(progress).extracting(Progress::finished).containsExactly(false, false, false, true);
  }

  @Test
  void connectionLostMidway_isRetriedAndNoRowIsLostOrRepeated() {
    List<Long> seen = new ArrayList<>();
    KeysetExport.of(byTime, transactions)
        .chunkRows(10_000)
        .onProgress(
            progress -> {
              if (progress.rows() % 50_000 == 0) {
                dsl.fetch(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()
                      and backend_type = 'client backend'
                    """);
              }
            })
        .run(seen::add);
    assertThat(seen).isEqualTo(expected());
  }

  @Test
  void exportThatDied_isResumedFromItsCursor() {
    List<Long> seen = new ArrayList<>();
    AtomicLong chunks = new AtomicLong();
    KeysetQuery<Long> failing =
        KeysetQuery.from(select(ID).from(ORDERS))
            .named("all-orders")
            .orderBy(SHIPPED_AT.desc().nullsLast(), ID.asc())
            .unique(ID)
            .cursors(CODEC)
            .mapRow(
                row -> {
                  if (chunks.incrementAndGet() == 70_001) {
                    throw new java.sql.SQLException("the network is gone", "08006");
                  }
                  return row.getLong(1);
                })
            .build();
    KeysetExport<Long> export =
        KeysetExport.of(failing, transactions)
            .chunkRows(20_000)
            .transactionOptions(
                TxOptions.builder().readOnly(true).retry(TxOptions.Retry.none()).build());
    KeysetExport.Interrupted interrupted =
        catchThrowableOfType(KeysetExport.Interrupted.class, () -> export.run(seen::add));
    assertThat(interrupted.progress().rows()).isEqualTo(60_000).isEqualTo(seen.size());
    assertThat(interrupted).hasMessageContaining("all-orders").hasMessageContaining("60000");

    // Another process would have only the cursor's text.
    String cursor = interrupted.progress().cursor().orElseThrow();
    KeysetExport.of(byTime, transactions).resume(cursor, seen::add);
    assertThat(seen).isEqualTo(expected());
  }

  @Test
  void autocommitConnections_doNotLoadTheWholeTable() {
    MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
    System.gc();
    long before = memory.getHeapMemoryUsage().getUsed();
    List<Long> growth = new ArrayList<>();
    AtomicLong read = new AtomicLong();
    KeysetQuery<String> wide =
        KeysetQuery.from(
                select(ID, DSL.field(DSL.name("orders", "note"), String.class)).from(ORDERS))
            .orderBy(ID.asc())
            .unique(ID)
            .cursors(CODEC)
            .mapRow(
                row -> {
                  // In the middle of a chunk: the driver's rows and the items made so far.
                  if (read.incrementAndGet() % 30_000 == 15_001) {
                    System.gc();
                    growth.add(memory.getHeapMemoryUsage().getUsed() - before);
                  }
                  return row.getString(2);
                })
            .build();
    AtomicLong rows = new AtomicLong();
    KeysetExport.of(wide, transactions).run(item -> rows.incrementAndGet());
    assertThat(rows).hasValue(ROWS);
    assertThat(growth).hasSize(5).allSatisfy(g -> assertThat(g).isLessThan(16L << 20));
  }

  @Test
  void snapshot_seesOneMomentAlsoInAReaderThatBeginsAfterAWrite() {
    Set<Long> expected = new HashSet<>(expected());
    Set<Long> seen = ConcurrentHashMap.newKeySet();
    AtomicLong handedOn = new AtomicLong();
    CountDownLatch written = new CountDownLatch(1);
    CountDownLatch lateReaderReads = new CountDownLatch(1);
    AtomicReference<Thread> early = new AtomicReference<>();
    Transactions lateReader = Transactions.of(thirdConnectionWaitsFor(written));
    try {
      Progress end =
          KeysetExport.of(byTime, lateReader)
              .chunkRows(500)
              .snapshot(
                  2,
                  reader ->
                      item -> {
                        if (early.compareAndSet(null, Thread.currentThread())) {
                          dsl.deleteFrom(ORDERS).where(ID.mod(10L).eq(0L)).execute();
                          dsl.execute(
                              """
                              insert into orders
                              select i, now(), now(), 'new' from generate_series(1000001, 1001000) i
                              """);
                          written.countDown();
                          await(lateReaderReads);
                        } else if (early.get() != Thread.currentThread()) {
                          lateReaderReads.countDown();
                        }
                        seen.add(item);
                        handedOn.incrementAndGet();
                      });
      assertThat(end.cursor()).isEmpty();
      assertThat(handedOn).hasValue(ROWS);
      assertThat(end.rows()).isEqualTo(ROWS);
      assertThat(seen).isEqualTo(expected);
    } finally {
      dsl.deleteFrom(ORDERS).where(ID.gt(1_000_000L)).execute();
      dsl.execute(
          """
          insert into orders
          select i, timestamptz '2026-01-01' + i * interval '1 s',
                 case when i %% 3 > 0 then timestamptz '2026-02-01' + (i / 5) * interval '1 us' end,
                 repeat('x', 400)
          from generate_series(10, %d, 10) i
          on conflict do nothing
          """
              .formatted(ROWS));
    }
  }

  /**
   * The first is the one that keeps the snapshot, the second a reader, the third the other reader.
   */
  private static DataSource thirdConnectionWaitsFor(CountDownLatch latch) {
    AtomicLong asked = new AtomicLong();
    return (DataSource)
        Proxy.newProxyInstance(
            KeysetExportPostgresTest.class.getClassLoader(),
            new Class<?>[] {DataSource.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("getConnection") && asked.incrementAndGet() == 3) {
                await(latch);
              }
              return method.invoke(postgres.dataSource(), arguments);
            });
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(20, TimeUnit.SECONDS)).as("the other reader came this far").isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void readersOfOneSnapshot_shareTheWork() {
    AtomicLong[] perReader = {new AtomicLong(), new AtomicLong(), new AtomicLong()};
    KeysetExport.of(byTime, transactions)
        .chunkRows(500)
        .snapshot(3, reader -> item -> perReader[reader].incrementAndGet());
    assertThat(perReader).allSatisfy(count -> assertThat(count.get()).isPositive());
    assertThat(perReader[0].get() + perReader[1].get() + perReader[2].get()).isEqualTo(ROWS);
  }

  @Test
  void receiverThatFails_failsTheWholeSnapshotExport() {
    IllegalStateException mine = new IllegalStateException("disk full");
    assertThatThrownBy(
            () ->
                KeysetExport.of(byTime, transactions)
                    .snapshot(
                        2,
                        reader ->
                            item -> {
                              throw mine;
                            }))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("cannot be resumed")
        .hasRootCause(mine);
    assertThat(dsl.fetchCount(ORDERS)).as("connections were given back").isEqualTo(ROWS);
  }

  @Test
  void receiverOfARun_passesItsOwnExceptionThrough() {
    IllegalStateException mine = new IllegalStateException("disk full");
    assertThatThrownBy(
            () ->
                KeysetExport.of(byTime, transactions)
                    .run(
                        item -> {
                          throw mine;
                        }))
        .isSameAs(mine);
  }

  @Test
  void foreignCursor_isRefusedBeforeAnythingIsRead() {
    KeysetQuery<Long> other =
        KeysetQuery.from(select(ID).from(ORDERS))
            .orderBy(CREATED_AT.asc())
            .unique(ID)
            .cursors(CODEC)
            .mapRow(row -> row.getLong(1))
            .build();
    String cursor = other.fetch(dsl, PageRequest.first(1)).cursors().get(0);
    assertThatThrownBy(() -> KeysetExport.of(byTime, transactions).resume(cursor, item -> {}))
        .isInstanceOf(InvalidCursorException.class);
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(() -> KeysetExport.of(byTime, transactions).chunkRows(0))
        .withMessageContaining("chunkRows");
  }
}
