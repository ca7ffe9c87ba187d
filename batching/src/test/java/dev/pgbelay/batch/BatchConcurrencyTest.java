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
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
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

  /** Runs the work on several threads until the time is up; the number of runs of each. */
  private static List<Integer> together(Callable<Boolean>[] writers) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(writers.length);
    try {
      long end = System.nanoTime() + RUN_NANOS;
      List<Future<Integer>> running = new ArrayList<>();
      for (Callable<Boolean> writer : writers) {
        running.add(
            threads.submit(
                () -> {
                  int runs = 0;
                  while (System.nanoTime() < end && writer.call()) {
                    runs++;
                  }
                  return runs;
                }));
      }
      List<Integer> runs = new ArrayList<>();
      for (Future<Integer> each : running) {
        runs.add(each.get());
      }
      return runs;
    } finally {
      threads.shutdownNow();
    }
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Callable<Boolean>[] writers(java.util.function.IntFunction<Callable<Boolean>> of) {
    Callable<Boolean>[] writers = new Callable[WRITERS];
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
    Transactions once =
        Transactions.builder(postgres.dataSource())
            .retry(
                new TxOptions.Retry(
                    1, Duration.ofSeconds(1), Duration.ofMillis(1), Duration.ofMillis(1), Set.of()))
            .build();
    int[][] expected = new int[WRITERS][ROWS];
    List<Integer> runs =
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
    assertThat(runs).allMatch(count -> count > 0);
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

  @Test
  void sameUpsertsWithoutOrder_doDeadlock() throws Exception {
    long seed = seed();
    plain.run(tx -> items().build().insert(tx, items(0, ROWS)));
    AtomicInteger deadlocks = new AtomicInteger();
    long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    together(
        writers(
            i -> {
              Random random = new Random(seed + i);
              return () -> {
                List<Item> rows = shuffled(random);
                try {
                  Transactions.builder(postgres.dataSource())
                      .retry(
                          new TxOptions.Retry(
                              1,
                              Duration.ofSeconds(1),
                              Duration.ofMillis(1),
                              Duration.ofMillis(1),
                              Set.of()))
                      .build()
                      .execute(
                          tx ->
                              tx.dsl()
                                  .execute(
                                      "insert into item (id, qty) select unnest(?::bigint[]), 1"
                                          + " on conflict (id) do update set qty = excluded.qty",
                                      (Object) rows.stream().map(Item::id).toArray(Long[]::new)));
                } catch (RuntimeException e) {
                  if (Failures.classify(e) != FailureKind.DEADLOCK) {
                    throw e;
                  }
                  deadlocks.incrementAndGet();
                }
                return deadlocks.get() == 0 && System.nanoTime() < end;
              };
            }));
    assertThat(deadlocks.get()).isPositive();
  }

  @Test
  void updatesAndDeletesInOrder_neverDeadlock() throws Exception {
    long seed = seed();
    BatchWriter<Item> writer = items().updating(QTY).build();
    plain.run(tx -> writer.insert(tx, items(0, ROWS)));
    Transactions once =
        Transactions.builder(postgres.dataSource())
            .retry(
                new TxOptions.Retry(
                    1, Duration.ofSeconds(1), Duration.ofMillis(1), Duration.ofMillis(1), Set.of()))
            .build();
    List<Integer> runs =
        together(
            writers(
                i -> {
                  Random random = new Random(seed + i);
                  return () -> {
                    List<Item> rows = shuffled(random);
                    switch (random.nextInt(3)) {
                      case 0 -> once.run(tx -> writer.delete(tx, rows.subList(0, rows.size() / 2)));
                      case 1 -> once.run(tx -> writer.update(tx, rows));
                      default -> once.run(tx -> writer.upsert(tx, rows));
                    }
                    return true;
                  };
                }));
    assertThat(runs).allMatch(count -> count > 0);
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
    Transactions once =
        Transactions.builder(postgres.dataSource())
            .retry(
                new TxOptions.Retry(
                    1, Duration.ofSeconds(1), Duration.ofMillis(1), Duration.ofMillis(1), Set.of()))
            .build();
    AtomicInteger[] calls = {new AtomicInteger(), new AtomicInteger(), new AtomicInteger()};
    together(
        writers(
            i -> {
              Random random = new Random(seed + i);
              return () -> {
                List<Word> rows = new ArrayList<>();
                for (int id = 0; id < ROWS; id++) {
                  if (random.nextInt(10) < 8) {
                    char letter = (char) ((id % 2 == 0 ? 'a' : 'A') + id / 2 % 26);
                    rows.add(new Word(letter + " " + id, id));
                  }
                }
                Collections.shuffle(rows, random);
                int operation = random.nextInt(20);
                switch (operation) {
                  case 0 -> once.run(tx -> writer.delete(tx, rows.subList(0, rows.size() / 4)));
                  case 1, 2, 3, 4, 5, 6, 7, 8, 9 -> once.run(tx -> writer.update(tx, rows));
                  default -> once.run(tx -> writer.upsert(tx, rows));
                }
                calls[operation == 0 ? 0 : operation < 10 ? 1 : 2].incrementAndGet();
                return true;
              };
            }));
    assertThat(calls[1].get()).isPositive();
    assertThat(calls[2].get()).isPositive();
    System.out.println("deletes, updates, upserts: " + List.of(calls));
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
    // Two batches in one transaction do collide; that they were retried is counted by core.
    assertThat(meters.find("pgbelay.core.retries").tag("kind", "deadlock").counters()).isNotEmpty();
  }
}
