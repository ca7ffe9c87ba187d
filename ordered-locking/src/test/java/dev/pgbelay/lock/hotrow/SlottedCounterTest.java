package dev.pgbelay.lock.hotrow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.lock.hotrow.Decrement.Outcome;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class SlottedCounterTest {
  private static final int THREADS = 8;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(HotRowSchema.TABLES).withPoolSize(THREADS + 2);

  private final SlottedCounter counter = SlottedCounter.builder().slots(8).build();
  private DSLContext dsl = DSL.using(SQLDialect.POSTGRES);
  private Transactions transactions = HotRowSchema.patient(postgres.dataSource());
  private String name = "";

  @BeforeEach
  void createCounter(org.junit.jupiter.api.TestInfo test) {
    dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    transactions = HotRowSchema.patient(postgres.dataSource());
    name = test.getDisplayName();
    counter.create(dsl, name);
  }

  private static long seed() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed: -Dpgbelay.seed=" + seed);
    return seed;
  }

  @Test
  void incrementsAndDecrements_areExactInOneTransactionAndAfterIt() {
    long inside =
        transactions.run(
            tx -> {
              counter.increment(tx, name, 41);
              return counter.sum(tx.dsl(), name);
            });
    assertThat(inside).isEqualTo(41);
    Decrement taken = transactions.run(tx -> counter.decrement(tx, name, 40));
    assertThat(taken).isEqualTo(new Decrement(Outcome.TAKEN, 40, 0));
    Decrement refused = transactions.run(tx -> counter.decrement(tx, name, 2));
    assertThat(refused).isEqualTo(new Decrement(Outcome.SHORT, 0, 1));
    assertThat(counter.sum(dsl, name)).isEqualTo(1);
  }

  @Test
  void incrementsUnderAutocommit_areTransactionsOfTheirOwn() throws Exception {
    inParallel(
        THREADS,
        worker -> {
          for (int i = 0; i < 50; i++) {
            counter.increment(dsl, name, 2);
          }
        });
    assertThat(counter.sum(dsl, name)).isEqualTo(2L * 50 * THREADS);
    transactions.execute(
        tx -> {
          counter.increment(tx.dsl(), name, 5);
          assertThat(counter.sum(dsl, name)).as("before its commit").isEqualTo(100L * THREADS);
        });
    assertThat(counter.sum(dsl, name)).isEqualTo(100L * THREADS + 5);
    assertThatThrownBy(() -> counter.increment(dsl, "no such", 1))
        .hasMessageContaining("counter 'no such' does not exist");
  }

  @Test
  void rolledBack_countsForNothing() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      counter.increment(tx, name, 5);
                      throw new IllegalStateException("no");
                    }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(counter.sum(dsl, name)).isZero();
  }

  @Test
  void amountSpreadOverManySlots_isTakenTogetherAndTheRestEvenedOut() throws Exception {
    // Each thread has a slot of its own, so eight threads leave 10 in each of the eight slots.
    inParallel(THREADS, worker -> transactions.execute(tx -> counter.increment(tx, name, 10)));
    assertThat(transactions.run(tx -> counter.decrement(tx, name, 75)).isTaken()).isTrue();
    assertThat(counter.sum(dsl, name)).isEqualTo(5);
    assertThat(
            dsl.fetchValues(
                DSL.select(DSL.field("value", Long.class))
                    .from(DSL.table(DSL.name("pgbelay", "slotted_counter")))
                    .where(DSL.field("name", String.class).eq(name))))
        .allSatisfy(value -> assertThat(value).isLessThanOrEqualTo(1L));
  }

  @Test
  void manyWriters_sumIsExact_andNobodyWaitsForAnotherSlot() throws Exception {
    int each = 200;
    inParallel(
        THREADS,
        worker -> {
          for (int i = 0; i < each; i++) {
            transactions.execute(tx -> counter.increment(tx, name, 3));
          }
        });
    assertThat(counter.sum(dsl, name)).isEqualTo(3L * each * THREADS);
  }

  @Test
  void moreWantedThanThereIs_exactlyAsMuchIsTakenAndNeverMore() throws Exception {
    transactions.execute(tx -> counter.increment(tx, name, 500));
    AtomicLong taken = new AtomicLong();
    inParallel(
        THREADS,
        worker -> {
          Random random = new Random(worker);
          for (int i = 0; i < 100; i++) {
            int amount = 1 + random.nextInt(4);
            if (transactions.run(tx -> counter.decrement(tx, name, amount)).isTaken()) {
              taken.addAndGet(amount);
            }
          }
        });
    // 800 calls for 2.5 on average: all of it is wanted four times over, and what is left is 0
    // because somebody always wants 1.
    assertThat(taken.get() + counter.sum(dsl, name)).isEqualTo(500);
    assertThat(counter.sum(dsl, name)).isZero();
  }

  @Test
  void incrementsAndDecrementsAtRandom_neverGoBelowZeroAndAddUp() throws Exception {
    long seed = seed();
    AtomicLong expected = new AtomicLong();
    boolean full = "full".equals(System.getProperty("pgbelay.scale"));
    inParallel(
        THREADS,
        worker -> {
          Random random = new Random(seed + worker);
          for (int i = 0; i < (full ? 3_000 : 150); i++) {
            int amount = 1 + random.nextInt(20);
            if (random.nextInt(100) < 45) {
              transactions.execute(tx -> counter.increment(tx, name, amount));
              expected.addAndGet(amount);
            } else {
              Decrement result = transactions.run(tx -> counter.decrement(tx, name, amount));
              if (result.isTaken()) {
                expected.addAndGet(-amount);
              } else {
                assertThat(result.available()).isBetween(0L, amount - 1L);
              }
            }
          }
        });
    assertThat(counter.sum(dsl, name)).isEqualTo(expected.get());
    assertThat(
            dsl.fetchCount(
                DSL.table(DSL.name("pgbelay", "slotted_counter")),
                DSL.field("value", Long.class).lt(0L)))
        .isZero();
  }

  /** Against a map, one call at a time: every answer is the one that arithmetic gives. */
  @Test
  void randomCalls_agreeWithAMap() {
    long seed = seed();
    Random random = new Random(seed);
    Map<String, Long> model = new HashMap<>();
    for (String each : List.of(name + "/a", name + "/b", name + "/c")) {
      counter.create(dsl, each);
      model.put(each, 0L);
    }
    List<String> names = new ArrayList<>(model.keySet());
    for (int i = 0; i < 400; i++) {
      String chosen = names.get(random.nextInt(names.size()));
      long amount = 1L + random.nextInt(50);
      boolean rollsBack = random.nextInt(5) == 0;
      boolean adds = random.nextBoolean();
      long before = model.getOrDefault(chosen, 0L);
      long after = adds ? before + amount : before >= amount ? before - amount : before;
      try {
        transactions.execute(
            tx -> {
              if (adds) {
                counter.increment(tx, chosen, amount);
              } else {
                assertThat(counter.decrement(tx, chosen, amount).isTaken())
                    .isEqualTo(before >= amount);
              }
              assertThat(counter.sum(tx.dsl(), chosen)).isEqualTo(after);
              if (rollsBack) {
                throw new IllegalStateException("rolled back");
              }
            });
        model.put(chosen, after);
      } catch (IllegalStateException expected) {
        assertThat(rollsBack).isTrue();
      }
      assertThat(counter.sum(dsl, chosen)).isEqualTo(model.get(chosen));
    }
  }

  @Test
  void decrementWhileASlotIsHeld_goesPastItWhereItCan_andWaitsWhereItMust() throws Exception {
    transactions.execute(tx -> counter.increment(tx, name, 10));
    DataSource dataSource = postgres.dataSource();
    try (Interleaving script = Interleaving.of(dataSource)) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session taker = script.session("taker");
      writer.run(
          c ->
              DSL.using(c, SQLDialect.POSTGRES)
                  .execute(
                      "update pgbelay.slotted_counter set value = value + 1 where name = ? and value = 10",
                      name));
      // All there is lies in the slot that the writer holds, so the taker waits for it.
      Interleaving.Step<Decrement> step =
          taker.startOwn(
              "takes 10",
              () -> Transactions.of(taker.dataSource()).run(tx -> counter.decrement(tx, name, 10)));
      step.awaitBlockedBy(writer);
      writer.commit();
      assertThat(step.get().isTaken()).isTrue();
    }
    assertThat(counter.sum(dsl, name)).isEqualTo(1);
  }

  @Test
  void severalCounters_areChangedInTheOrderOfTheirNames() {
    counter.create(dsl, name + "/z");
    transactions.execute(tx -> counter.increment(tx, Map.of(name + "/z", 2L, name, 1L)));
    assertThat(counter.sum(dsl, name)).isEqualTo(1);
    assertThat(counter.sum(dsl, name + "/z")).isEqualTo(2);
  }

  @Test
  void createdAgainWithMoreSlots_keepsItsValue() {
    transactions.execute(tx -> counter.increment(tx, name, 7));
    SlottedCounter.builder().slots(20).build().create(dsl, name);
    assertThat(counter.sum(dsl, name)).isEqualTo(7);
    counter.delete(dsl, name);
    assertThatThrownBy(() -> counter.sum(dsl, name)).isInstanceOf(PgBelayException.class);
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> transactions.execute(tx -> counter.increment(tx, "no such", 1)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("counter 'no such' does not exist")
        .hasMessageContaining("create(dsl, \"no such\")");
    assertThatThrownBy(() -> transactions.run(tx -> counter.decrement(tx, "no such", 1)))
        .hasMessageContaining("counter 'no such' does not exist");
    assertThatThrownBy(() -> transactions.execute(tx -> counter.increment(tx, name, 0)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("must be 1 or more, is 0");
    assertThatThrownBy(() -> counter.create(dsl, " ")).hasMessageContaining("name is blank");
    SlottedCounter nowhere = SlottedCounter.builder().schema("nowhere").build();
    assertThatThrownBy(() -> transactions.execute(tx -> nowhere.increment(tx, name, 1)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("the table of counters is missing")
        .hasMessageContaining("module \"hotrow\"");
    assertThatThrownBy(() -> nowhere.sum(dsl, name)).hasMessageContaining("module \"hotrow\"");
    assertThatThrownBy(() -> SlottedCounter.builder().slots(0))
        .hasMessageContaining("slots must be between 1 and 1000, is 0");
  }

  @Test
  void changes_areCounted() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    SlottedCounter counted = SlottedCounter.builder().slots(4).meterRegistry(registry).build();
    counted.create(dsl, name);
    transactions.execute(tx -> counted.increment(tx, name, 2));
    transactions.execute(tx -> counted.decrement(tx, name, 1));
    transactions.execute(tx -> counted.decrement(tx, name, 5));
    for (String outcome : List.of("done", "taken", "short")) {
      assertThat(
              registry
                  .get("pgbelay.lock.counter.changes")
                  .tag("outcome", outcome)
                  .counter()
                  .count())
          .isEqualTo(1);
    }
  }

  private interface Work {
    void run(int worker) throws Exception;
  }

  private static void inParallel(int threads, Work work) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int worker = 0; worker < threads; worker++) {
        int number = worker;
        running.add(
            pool.submit(
                () -> {
                  work.run(number);
                  return null;
                }));
      }
      for (Future<?> each : running) {
        each.get();
      }
    } finally {
      pool.shutdownNow();
    }
  }
}
