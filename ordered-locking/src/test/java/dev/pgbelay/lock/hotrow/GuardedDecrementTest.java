package dev.pgbelay.lock.hotrow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.lock.hotrow.StockDecrement.Shortage;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class GuardedDecrementTest {
  private static final Table<Record> SEAT = DSL.table(DSL.name("seat"));
  private static final Field<Long> ID = DSL.field(DSL.name("seat", "id"), SQLDataType.BIGINT);
  private static final Field<Integer> QUANTITY =
      DSL.field(DSL.name("seat", "quantity"), SQLDataType.INTEGER);
  private static final GuardedDecrement<Long> SEATS = GuardedDecrement.of(SEAT, ID, QUANTITY);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(HotRowSchema.TABLES);

  private DSLContext dsl = DSL.using(SQLDialect.POSTGRES);
  private Transactions transactions = HotRowSchema.patient(postgres.dataSource());

  @BeforeEach
  void fill() {
    dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    transactions = HotRowSchema.patient(postgres.dataSource());
    dsl.deleteFrom(SEAT).execute();
    for (long id = 1; id <= 6; id++) {
      dsl.insertInto(SEAT, ID, QUANTITY).values(id, 10).execute();
    }
  }

  private Map<Long, Integer> quantities() {
    return dsl.select(ID, QUANTITY).from(SEAT).fetchMap(ID, QUANTITY);
  }

  @Test
  void allThere_allIsTakenAndWhatIsLeftIsTold() {
    StockDecrement<Long> result =
        transactions.run(tx -> SEATS.take(tx, Map.of(3L, 4L, 1L, 10L, 2L, 1L)));
    assertThat(result.isTaken()).isTrue();
    assertThat(result.left()).containsOnly(Map.entry(1L, 0L), Map.entry(2L, 9L), Map.entry(3L, 6L));
    assertThat(quantities()).containsEntry(1L, 0).containsEntry(2L, 9).containsEntry(3L, 6);
  }

  @Test
  void oneShortAndOneUnknown_nothingIsTakenAndBothAreNamed() {
    Map<Long, Long> basket = new LinkedHashMap<>();
    basket.put(2L, 11L);
    basket.put(99L, 1L);
    basket.put(1L, 1L);
    StockDecrement<Long> result = transactions.run(tx -> SEATS.take(tx, basket));
    assertThat(result.isTaken()).isFalse();
    assertThat(result.shortages())
        .containsExactlyInAnyOrder(
            new Shortage<>(2L, 11, OptionalLong.of(10)),
            new Shortage<>(99L, 1, OptionalLong.empty()));
    assertThat(quantities().values()).containsOnly(10);
  }

  @Test
  void oneItem_isTakenOrSaidToBeShortOrUnknown() {
    assertThat(transactions.run(tx -> SEATS.take(tx, 1L, 9)).left()).containsEntry(1L, 1L);
    assertThat(transactions.run(tx -> SEATS.take(tx, 1L, 2)).shortages())
        .containsExactly(new Shortage<>(1L, 2, OptionalLong.of(1)));
    assertThat(transactions.run(tx -> SEATS.take(tx, 77L, 1)).shortages())
        .containsExactly(new Shortage<>(77L, 1, OptionalLong.empty()));
  }

  @Test
  void columnsWithPlainNames_needNoTableInFrontOfThem() {
    dsl.execute(
        "create table basket (key text primary key, number int not null, amount int not null)");
    dsl.execute("insert into basket values ('a', 5, 10), ('b', 5, 10)");
    for (String column : List.of("amount", "number")) {
      GuardedDecrement<String> basket =
          GuardedDecrement.of(
              DSL.table(DSL.name("basket")),
              DSL.field(DSL.name("key"), SQLDataType.CLOB),
              DSL.field(DSL.name(column), SQLDataType.INTEGER));
      assertThat(transactions.run(tx -> basket.take(tx, Map.of("a", 1L, "b", 2L))).isTaken())
          .isTrue();
    }
    assertThat(dsl.fetch("select number, amount from basket order by key").intoArrays())
        .isDeepEqualTo(new Object[][] {{4, 9}, {3, 8}});
  }

  @Test
  void nothingAsked_isTaken() {
    assertThat(transactions.run(tx -> SEATS.take(tx, Map.of())).isTaken()).isTrue();
  }

  @Test
  void keysThatOnlyTheServerTakesForEqual_areRefused() {
    Table<Record> part = DSL.table(DSL.name("part"));
    Field<Long> quantity = DSL.field(DSL.name("part", "quantity"), SQLDataType.BIGINT);
    dsl.execute("insert into part values ('Bolt', 5)");
    GuardedDecrement<String> parts =
        GuardedDecrement.of(part, DSL.field(DSL.name("part", "code"), citext()), quantity);
    assertThatThrownBy(() -> transactions.run(tx -> parts.take(tx, Map.of("bolt", 3L, "BOLT", 3L))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("two of the keys name the same row");
    assertThat(transactions.run(tx -> parts.take(tx, Map.of("BOLT", 2L))).left())
        .containsEntry("BOLT", 3L);
  }

  private static org.jooq.DataType<String> citext() {
    return new org.jooq.impl.DefaultDataType<>(SQLDialect.POSTGRES, SQLDataType.CLOB, "citext");
  }

  @Test
  void uuidKeysAndSmallQuantities_work() {
    Table<Record> ticket = DSL.table(DSL.name("ticket"));
    Field<UUID> id = DSL.field(DSL.name("ticket", "id"), SQLDataType.UUID);
    Field<Short> quantity = DSL.field(DSL.name("ticket", "quantity"), SQLDataType.SMALLINT);
    UUID a = UUID.fromString("80000000-0000-0000-0000-000000000000");
    UUID b = UUID.fromString("7fffffff-0000-0000-0000-000000000000");
    dsl.insertInto(ticket, id, quantity).values(a, (short) 3).values(b, (short) 3).execute();
    assertThat(
            transactions
                .run(tx -> GuardedDecrement.of(ticket, id, quantity).take(tx, Map.of(a, 3L, b, 1L)))
                .left())
        .containsOnly(Map.entry(a, 0L), Map.entry(b, 2L));
  }

  /** Every basket is asked for in a shuffled order, and no retry hides a deadlock. */
  @Test
  void basketsAtRandomFromManyThreads_neverOversellNeverDeadlockAndAddUp() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed: -Dpgbelay.seed=" + seed);
    boolean full = "full".equals(System.getProperty("pgbelay.scale"));
    dsl.update(SEAT).set(QUANTITY, full ? 20_000 : 600).execute();
    int stock = full ? 20_000 : 600;
    AtomicLongArray sold = new AtomicLongArray(7);
    TxOptions once = TxOptions.builder().retry(TxOptions.Retry.none()).build();
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int worker = 0; worker < 8; worker++) {
        Random random = new Random(seed + worker);
        running.add(
            pool.submit(
                () -> {
                  for (int i = 0; i < (full ? 6_000 : 200); i++) {
                    Map<Long, Long> basket = basket(random);
                    StockDecrement<Long> result =
                        transactions.run(once, tx -> SEATS.take(tx, basket));
                    if (result.isTaken()) {
                      basket.forEach((id, n) -> sold.addAndGet(id.intValue(), n));
                    } else {
                      assertThat(result.shortages())
                          .allSatisfy(
                              item ->
                                  assertThat(item.available().orElseThrow())
                                      .isLessThan(item.wanted()));
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> each : running) {
        each.get();
      }
    } finally {
      pool.shutdownNow();
    }
    Map<Long, Integer> left = quantities();
    for (long id = 1; id <= 6; id++) {
      assertThat(sold.get((int) id) + left.getOrDefault(id, -1)).isEqualTo(stock);
      assertThat(left.get(id)).isNotNegative();
    }
  }

  private static Map<Long, Long> basket(Random random) {
    List<Long> ids = new ArrayList<>(List.of(1L, 2L, 3L, 4L, 5L, 6L));
    Collections.shuffle(ids, random);
    Map<Long, Long> basket = new LinkedHashMap<>();
    ids.subList(0, 1 + random.nextInt(4)).forEach(id -> basket.put(id, 1L + random.nextInt(5)));
    return basket;
  }

  /** Against a map, one call at a time. */
  @Test
  void randomBaskets_agreeWithAMap() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    Map<Long, Long> model = new HashMap<>();
    quantities().forEach((id, n) -> model.put(id, n.longValue()));
    for (int i = 0; i < 200; i++) {
      Map<Long, Long> basket = basket(random);
      boolean fits =
          basket.entrySet().stream()
              .allMatch(item -> model.getOrDefault(item.getKey(), 0L) >= item.getValue());
      assertThat(transactions.run(tx -> SEATS.take(tx, basket)).isTaken()).isEqualTo(fits);
      if (fits) {
        basket.forEach((id, n) -> model.merge(id, -n, Long::sum));
      }
      if (random.nextInt(10) == 0) {
        dsl.update(SEAT).set(QUANTITY, QUANTITY.plus(5)).execute();
        model.replaceAll((id, n) -> n + 5);
      }
      Map<Long, Long> real = new HashMap<>();
      quantities().forEach((id, n) -> real.put(id, n.longValue()));
      assertThat(real).isEqualTo(model);
    }
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> transactions.run(tx -> SEATS.take(tx, Map.of(1L, 0L))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("must be 1 or more, is 0");
    Map<Long, Long> withNull = new HashMap<>();
    withNull.put(null, 1L);
    assertThatThrownBy(() -> transactions.run(tx -> SEATS.take(tx, withNull)))
        .hasMessageContaining("null");
    assertThatThrownBy(
            () -> GuardedDecrement.of(SEAT, ID, DSL.field(DSL.name("price"), SQLDataType.NUMERIC)))
        .hasMessageContaining("must be SMALLINT, INTEGER or BIGINT");
    assertThatThrownBy(() -> GuardedDecrement.of(SEAT, DSL.field(DSL.name("id")), QUANTITY))
        .hasMessageContaining("has no type of its own");
  }

  @Test
  void outcomes_areCounted() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    GuardedDecrement<Long> counted = SEATS.meterRegistry(registry);
    transactions.execute(tx -> counted.take(tx, 1L, 1));
    transactions.execute(tx -> counted.take(tx, 1L, 100));
    transactions.execute(tx -> counted.take(tx, Map.of(1L, 1L, 2L, 1L)));
    assertThat(registry.get("pgbelay.lock.decrements").tag("outcome", "taken").counter().count())
        .isEqualTo(2);
    assertThat(registry.get("pgbelay.lock.decrements").tag("outcome", "short").counter().count())
        .isEqualTo(1);
  }
}
