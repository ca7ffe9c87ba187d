package dev.pgbelay.lock.hotrow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.jooq.DSLContext;
import org.jooq.DataType;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What comes in between the statements of one decrement, and keys that a cast would cut. */
class HotRowRacesPostgresTest {
  private static final int THREADS = 12;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(HotRowSchema.TABLES).withPoolSize(THREADS + 2);

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final Transactions transactions = HotRowSchema.patient(postgres.dataSource());
  private final SlottedCounter few = SlottedCounter.builder().slots(2).build();
  private final SlottedCounter many = SlottedCounter.builder().slots(60).build();

  @Test
  void slotsAddedWhileADecrementEvensOut_keepWhatIsPutIntoThem() throws Exception {
    few.create(dsl, "growing");
    transactions.execute(tx -> few.increment(tx, "growing", 9));
    dsl.execute("update pgbelay.slotted_counter set value = 10 where name = 'growing'"); // 20
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session taker = script.session("taker");
      // The second slot is held: the decrement locks the first and waits.
      holder.run(
          c ->
              c.createStatement()
                  .execute(
                      "select 1 from pgbelay.slotted_counter where name = 'growing' and slot = 1"
                          + " for update"));
      var decrement = taker.start("decrement", c -> few.decrement(Tx.join(c), "growing", 15));
      decrement.awaitBlockedBy(holder);
      many.create(dsl, "growing");
      dsl.execute(
          "update pgbelay.slotted_counter set value = value + 60 where name = 'growing' and slot = 50");
      holder.commit();
      assertThat(decrement.get().outcome()).isEqualTo(Decrement.Outcome.TAKEN);
      taker.commit();
    }
    assertThat(few.sum(dsl, "growing")).isEqualTo(65);
  }

  @Test
  void changesAtRandomWhileSlotsAreAdded_addUp() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    for (int round = 0; round < 10; round++) {
      String name = "round " + round;
      few.create(dsl, name);
      transactions.execute(tx -> few.increment(tx, name, 30));
      AtomicLong expected = new AtomicLong(30);
      together(
          seed + round,
          random -> {
            for (int i = 0; i < 10; i++) {
              if (random.nextInt(20) == 0) {
                many.create(dsl, name);
              }
              long amount = 1L + random.nextInt(4);
              SlottedCounter counter = many.sum(dsl, name) >= 0 && slotsOf(name) == 60 ? many : few;
              if (random.nextBoolean()) {
                transactions.execute(tx -> counter.increment(tx, name, amount));
                expected.addAndGet(amount);
              } else if (transactions.run(tx -> counter.decrement(tx, name, amount)).outcome()
                  == Decrement.Outcome.TAKEN) {
                expected.addAndGet(-amount);
              }
            }
          });
      assertThat(few.sum(dsl, name)).as("seed %d", seed).isEqualTo(expected.get());
    }
  }

  private int slotsOf(String name) {
    return dsl.fetchSingle("select count(*)::int from pgbelay.slotted_counter where name = ?", name)
        .get(0, int.class);
  }

  @Test
  void oneChangeATransaction_neverDeadlocks() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    SlottedCounter counter = SlottedCounter.builder().slots(6).build();
    counter.create(dsl, "busy");
    transactions.execute(tx -> counter.increment(tx, "busy", 60));
    Transactions patient =
        Transactions.builder(postgres.dataSource()).retry(TxOptions.Retry.none()).build();
    AtomicLong expected = new AtomicLong(60);
    AtomicLong again = new AtomicLong();
    together(
        seed,
        random -> {
          for (int i = 0; i < 250; i++) {
            long amount = 1L + random.nextInt(12);
            try {
              if (random.nextInt(5) < 2) {
                patient.execute(tx -> counter.increment(tx, "busy", amount));
                expected.addAndGet(amount);
              } else if (patient.run(tx -> counter.decrement(tx, "busy", amount)).outcome()
                  == Decrement.Outcome.TAKEN) {
                expected.addAndGet(-amount);
              }
            } catch (RuntimeException e) {
              assertThat(Failures.classify(e))
                  .as("seed %d: %s", seed, e)
                  .isEqualTo(FailureKind.SERIALIZATION_FAILURE);
              again.incrementAndGet();
            }
          }
        });
    System.out.println("to be run again: " + again + " of " + THREADS * 250);
    assertThat(counter.sum(dsl, "busy")).as("seed %d", seed).isEqualTo(expected.get());
  }

  private interface Work {
    void run(Random random) throws Exception;
  }

  private static void together(long seed, Work work) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        Random random = new Random(seed * 31 + thread);
        running.add(
            threads.submit(
                () -> {
                  work.run(random);
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

  private <K> void nothingIsTaken(
      String type, DataType<K> declared, String stored, K asked, K other) {
    dsl.execute("create table cut (k " + type + " primary key, quantity int not null)");
    try {
      dsl.execute("insert into cut values ('" + stored + "', 10)");
      Field<K> key = DSL.field(DSL.name("k"), declared);
      GuardedDecrement<K> cut =
          GuardedDecrement.of(
              DSL.table(DSL.name("cut")),
              key,
              DSL.field(DSL.name("quantity"), SQLDataType.INTEGER));
      StockDecrement<K> one = transactions.run(tx -> cut.take(tx, asked, 3));
      assertThat(one.isTaken()).as(type).isFalse();
      assertThat(one.shortages().get(0).available()).isEmpty();
      assertThat(transactions.run(tx -> cut.take(tx, Map.of(asked, 3L, other, 1L))).isTaken())
          .isFalse();
      assertThat(dsl.fetchValue("select quantity from cut")).isEqualTo(10);
      assertThat(transactions.run(tx -> cut.take(tx, other, 1)).isTaken()).as(type).isTrue();
    } finally {
      dsl.execute("drop table cut");
    }
  }

  @Test
  void keyThatIsLongerThanTheColumn_takesFromNoOtherItem() {
    nothingIsTaken("varchar(5)", SQLDataType.VARCHAR(5), "ABCDE", "ABCDEF", "ABCDE");
    nothingIsTaken("char(3)", SQLDataType.CHAR(3), "ab", "abXYZ", "ab");
    nothingIsTaken(
        "numeric(4,1)",
        SQLDataType.NUMERIC(4, 1),
        "1.2",
        new BigDecimal("1.24"),
        new BigDecimal("1.20"));
    nothingIsTaken(
        "timestamp(0)",
        SQLDataType.LOCALDATETIME(0),
        "2026-11-20 10:00:01",
        LocalDateTime.of(2026, 11, 20, 10, 0, 0, 700_000_000),
        LocalDateTime.of(2026, 11, 20, 10, 0, 1));
  }

  @Test
  void twoKeysOfOneRow_areRefusedBeforeAnythingIsWritten() {
    dsl.execute("delete from part; insert into part values ('bolt', 10)");
    GuardedDecrement<String> parts =
        GuardedDecrement.of(
            DSL.table(DSL.name("part")),
            DSL.field(DSL.name("code"), SQLDataType.CLOB),
            DSL.field(DSL.name("quantity"), SQLDataType.BIGINT));
    transactions.execute(
        tx -> {
          assertThatThrownBy(() -> parts.take(tx, Map.of("bolt", 2L, "BOLT", 3L)))
              .isInstanceOf(PgBelayException.class)
              .hasMessageContaining("same row");
        });
    assertThat(dsl.fetchValue("select quantity from part")).isEqualTo(10L);
  }

  @Test
  void quantityThatIsNull_isNone() {
    dsl.execute(
        "create table maybe (k int primary key, quantity int); insert into maybe values (1)");
    GuardedDecrement<Integer> maybe =
        GuardedDecrement.of(
            DSL.table(DSL.name("maybe")),
            DSL.field(DSL.name("k"), SQLDataType.INTEGER),
            DSL.field(DSL.name("quantity"), SQLDataType.INTEGER));
    assertThat(transactions.run(tx -> maybe.take(tx, 1, 1)).shortages().get(0).available())
        .hasValue(0);
    dsl.execute("drop table maybe");
  }
}
