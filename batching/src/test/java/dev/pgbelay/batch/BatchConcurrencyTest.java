package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.excluded;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.awaitility.Awaitility;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class BatchConcurrencyTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(10);

  private static final int WRITERS = 8;
  private static final int ROWS = 400;
  private static final long RUN_NANOS =
      ("full".equals(System.getProperty("pgbelay.scale"))
              ? Duration.ofSeconds(30)
              : Duration.ofSeconds(3))
          .toNanos();

  private final Transactions plain = Transactions.of(postgres.dataSource());

  @BeforeEach
  void createTable() {
    plain.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    plain.execute(tx -> tx.dsl().execute("drop table if exists item, child, parent cascade"));
  }

  private static long seed() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    return seed;
  }

  /** Runs the work on several threads until the time is up. */
  private static void together(Callable<?>[] writers) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(writers.length);
    try {
      long end = System.nanoTime() + RUN_NANOS;
      List<Future<?>> running = new ArrayList<>();
      for (Callable<?> writer : writers) {
        running.add(
            threads.submit(
                () -> {
                  // Once at least, however late it gets its turn.
                  do {
                    writer.call();
                  } while (System.nanoTime() < end);
                  return null;
                }));
      }
      for (Future<?> each : running) {
        each.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  /** Retries nothing: a deadlock is seen. */
  private static Transactions once() {
    return Transactions.builder(postgres.dataSource()).retry(TxOptions.Retry.none()).build();
  }

  private static Callable<?>[] writers(java.util.function.IntFunction<Callable<?>> of) {
    Callable<?>[] writers = new Callable<?>[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
      writers[i] = of.apply(i);
    }
    return writers;
  }

  private static List<Item> shuffled(Random random) {
    List<Item> rows = new ArrayList<>();
    for (int id = 0; id < ROWS; id++) {
      if (random.nextInt(10) < 8) {
        rows.add(item(id).withQty(1));
      }
    }
    Collections.shuffle(rows, random);
    return rows;
  }

  @Test
  void shuffledOverlappingUpserts_neverDeadlockAndEveryRowIsRight() throws Exception {
    long seed = seed();
    BatchWriter<Item> writer = items().updating(QTY).set(QTY, QTY.plus(excluded(QTY))).build();
    Transactions once = once();
    int[][] expected = new int[WRITERS][ROWS];
    together(
        writers(
            i -> {
              Random random = new Random(seed + i);
              return () -> {
                List<Item> rows = shuffled(random);
                once.run(tx -> writer.upsert(tx, rows));
                rows.forEach(row -> expected[i][(int) row.id()]++);
                return true;
              };
            }));
    plain.execute(
        tx ->
            tx.dsl()
                .fetch("select id, qty from item")
                .forEach(
                    row -> {
                      int id = row.get(0, int.class);
                      int sum = 0;
                      for (int[] each : expected) {
                        sum += each[id];
                      }
                      assertThat(row.get(1, int.class)).isEqualTo(sum);
                    }));
  }

  /**
   * Two calls with the same rows in opposite orders, each under way when the row in the middle is
   * let go. Returns what became of them.
   */
  private List<Optional<FailureKind>> inOppositeOrders(BiConsumer<Tx, List<Item>> write)
      throws Exception {
    plain.execute(tx -> tx.dsl().execute("truncate item"));
    plain.run(tx -> items().build().insert(tx, items(1, 4)));
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try (Connection holder = postgres.database().connect();
        Statement statement = holder.createStatement()) {
      holder.setAutoCommit(false);
      statement.execute("select * from item where id = 2 for update");
      List<Future<Optional<FailureKind>>> running = new ArrayList<>();
      for (List<Item> rows :
          List.of(List.of(item(1), item(2), item(3)), List.of(item(3), item(2), item(1)))) {
        running.add(threads.submit(() -> failure(rows, write)));
      }
      Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> waiting() == 2);
      holder.rollback();
      List<Optional<FailureKind>> failures = new ArrayList<>();
      for (Future<Optional<FailureKind>> each : running) {
        failures.add(each.get());
      }
      return failures;
    } finally {
      threads.shutdownNow();
    }
  }

  private static Optional<FailureKind> failure(List<Item> rows, BiConsumer<Tx, List<Item>> write) {
    try {
      once().execute(tx -> write.accept(tx, rows));
      return Optional.empty();
    } catch (RuntimeException e) {
      return Optional.of(Failures.classify(e));
    }
  }

  private int waiting() {
    return plain.run(
        tx ->
            tx.dsl()
                .fetchSingle(
                    "select count(*) from pg_stat_activity"
                        + " where datname = current_database() and wait_event_type = 'Lock'")
                .get(0, int.class));
  }

  @Test
  void rowsInOppositeOrders_deadlockByHandAndNotThroughAWriter() throws Exception {
    assertThat(
            inOppositeOrders(
                (tx, rows) ->
                    tx.dsl()
                        .execute(
                            "insert into item (id, qty) select unnest(?::bigint[]), 1"
                                + " on conflict (id) do update set qty = excluded.qty",
                            (Object) rows.stream().map(Item::id).toArray(Long[]::new))))
        .containsExactlyInAnyOrder(Optional.empty(), Optional.of(FailureKind.DEADLOCK));
    for (WritePlan.Path path : List.of(WritePlan.Path.UNNEST, WritePlan.Path.STAGED)) {
      BatchWriter<Item> writer = items().path(path).build();
      for (BiConsumer<Tx, List<Item>> write :
          List.<BiConsumer<Tx, List<Item>>>of(writer::upsert, writer::update, writer::delete)) {
        assertThat(inOppositeOrders(write)).as("%s", path).containsOnly(Optional.empty());
      }
    }
  }

  @Test
  void updatesAndDeletesInOrder_neverDeadlock() throws Exception {
    long seed = seed();
    BatchWriter<Item> writer = items().updating(QTY).build();
    plain.run(tx -> writer.insert(tx, items(0, ROWS)));
    Transactions once = once();
    together(
        writers(
            i -> {
              Random random = new Random(seed + i);
              AtomicInteger turn = new AtomicInteger();
              return () -> {
                List<Item> rows = shuffled(random);
                switch (turn.getAndIncrement() == 0 ? i % 3 : random.nextInt(3)) {
                  case 0 -> once.run(tx -> writer.delete(tx, rows.subList(0, rows.size() / 2)));
                  case 1 -> once.run(tx -> writer.update(tx, rows));
                  default -> once.run(tx -> writer.upsert(tx, rows));
                }
                return true;
              };
            }));
  }

  private record Word(String word, int n) {}

  /** Upper and lower case alternate in the collation of the key and do not in that of arrays. */
  @Test
  void mixedOperationsUnderAnotherCollation_neverDeadlock() throws Exception {
    long seed = seed();
    plain.execute(
        tx ->
            tx.dsl()
                .execute(
                    "create table child (word text collate \"und-x-icu\" primary key, n int)"));
    org.jooq.Field<Integer> count = field(name("n"), SQLDataType.INTEGER);
    BatchWriter<Word> writer =
        BatchWriter.into(DSL.table(name("public", "child")), Word.class)
            .column(field(name("word"), String.class), Word::word)
            .column(count, Word::n)
            .build();
    Transactions once = once();
    together(
        writers(
            i -> {
              Random random = new Random(seed + i);
              AtomicBoolean first = new AtomicBoolean(true);
              return () -> {
                List<Word> rows = new ArrayList<>();
                for (int id = 0; id < ROWS; id++) {
                  if (random.nextInt(10) < 8) {
                    char letter = (char) ((id % 2 == 0 ? 'a' : 'A') + id / 2 % 26);
                    rows.add(new Word(letter + " " + id, id));
                  }
                }
                Collections.shuffle(rows, random);
                int operation = first.getAndSet(false) ? i * 3 : random.nextInt(20);
                switch (operation) {
                  case 0 -> once.run(tx -> writer.delete(tx, rows.subList(0, rows.size() / 4)));
                  case 1, 2, 3, 4, 5, 6, 7, 8, 9 -> once.run(tx -> writer.update(tx, rows));
                  default -> once.run(tx -> writer.upsert(tx, rows));
                }
                return true;
              };
            }));
  }

  /** Two transactions of two batches each, of which each waits at first for the other's row. */
  private static void crossOver(Transactions transactions, BiConsumer<Tx, Integer> write)
      throws Exception {
    CyclicBarrier bothHaveOne = new CyclicBarrier(2);
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int id : new int[] {1, 2}) {
        AtomicBoolean first = new AtomicBoolean(true);
        running.add(
            threads.submit(
                () -> {
                  transactions.execute(
                      tx -> {
                        write.accept(tx, id);
                        if (first.getAndSet(false)) {
                          bothHaveOne.await(60, TimeUnit.SECONDS);
                        }
                        write.accept(tx, 3 - id);
                      });
                  return null;
                }));
      }
      for (Future<?> each : running) {
        each.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  record Child(int id, int code, int parent, int n) {}

  @Test
  void secondUniqueIndexAndParents_areRetriedUntilEveryRowIsRight() throws Exception {
    long seed = seed();
    plain.execute(
        tx ->
            tx.dsl()
                .execute(
                    "create table parent (id int primary key, n int not null default 0);"
                        + "insert into parent select generate_series(0, 9);"
                        + "create table child (id int primary key, code int unique,"
                        + " parent int references parent, n int not null)"));
    Table<?> table = DSL.table(name("public", "child"));
    org.jooq.Field<Integer> count = field(name("public", "child", "n"), SQLDataType.INTEGER);
    BatchWriter<Child> writer =
        BatchWriter.into(table, Child.class)
            .column(field(name("id"), Integer.class), Child::id)
            .column(field(name("code"), Integer.class), Child::code)
            .column(field(name("parent"), Integer.class), Child::parent)
            .column(count, Child::n)
            .updating(count)
            .set(count, count.plus(excluded(count)))
            .build();
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    Transactions retrying =
        Transactions.builder(postgres.dataSource())
            .meterRegistry(meters)
            .retry(
                new TxOptions.Retry(
                    100,
                    Duration.ofMinutes(1),
                    Duration.ofMillis(5),
                    Duration.ofMillis(100),
                    Set.of(FailureKind.DEADLOCK, FailureKind.SERIALIZATION_FAILURE)))
            .build();
    int[][] expected = new int[WRITERS][200];
    together(
        writers(
            i -> {
              Random random = new Random(seed + i);
              return () -> {
                List<Child> rows = new ArrayList<>();
                for (int id = 0; id < 200; id++) {
                  if (random.nextBoolean()) {
                    // Codes run against the ids, so that the second index is met in another order.
                    rows.add(new Child(id, 1000 - id, id % 10, 1));
                  }
                }
                Collections.shuffle(rows, random);
                int hot = random.nextInt(10);
                retrying.execute(
                    tx -> {
                      tx.dsl().execute("set local deadlock_timeout = '50ms'");
                      tx.dsl().execute("update parent set n = n + 1 where id = ?", hot);
                      writer.upsert(tx, rows.subList(0, rows.size() / 2));
                      writer.upsert(tx, rows.subList(rows.size() / 2, rows.size()));
                    });
                rows.forEach(row -> expected[i][row.id()]++);
                return true;
              };
            }));
    plain.execute(
        tx ->
            tx.dsl()
                .fetch("select id, n from child")
                .forEach(
                    row -> {
                      int sum = 0;
                      for (int[] each : expected) {
                        sum += each[row.get(0, int.class)];
                      }
                      assertThat(row.get(1, int.class)).isEqualTo(sum);
                    }));
    crossOver(
        retrying, (tx, id) -> writer.upsert(tx, List.of(new Child(id, 1000 - id, id % 10, 1))));
    // That they were retried is counted by core.
    assertThat(meters.find("pgbelay.core.retries").tag("kind", "deadlock").counters()).isNotEmpty();
  }
}
