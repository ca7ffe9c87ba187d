package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.by;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Rows are locked in the order in which the server sorts their keys. Shown by stopping an acquire
 * at one row: what sorts before is locked then, what sorts behind is not.
 */
class LockedInKeyOrderPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final long SEED = Long.getLong("pgbelay.seed", System.nanoTime());
  private static final String LETTERS = "aAbBzZäÄöÖßéÉ_- .0189ñÑØ";
  private static final List<String> PLANS =
      List.of(
          "",
          "set local enable_hashjoin = off; set local enable_mergejoin = off",
          "set local enable_nestloop = off; set local enable_mergejoin = off",
          "set local enable_nestloop = off; set local enable_hashjoin = off",
          "set local enable_sort = off; set local enable_seqscan = off",
          "set local plan_cache_mode = force_generic_plan");

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());

  private record Kind<T>(String table, Class<T> type, Function<Random, T> value) {
    @Override
    public String toString() {
      return table;
    }
  }

  static Stream<Kind<?>> kinds() {
    return Stream.of(
        new Kind<>("uuid", UUID.class, random -> new UUID(random.nextLong(), random.nextLong())),
        new Kind<>("text", String.class, LockedInKeyOrderPostgresTest::word),
        new Kind<>("icu", String.class, LockedInKeyOrderPostgresTest::word),
        new Kind<>("loose", String.class, LockedInKeyOrderPostgresTest::word),
        new Kind<>("citext", String.class, LockedInKeyOrderPostgresTest::word),
        new Kind<>("numeric", BigDecimal.class, LockedInKeyOrderPostgresTest::decimal),
        new Kind<>("bytes", byte[].class, LockedInKeyOrderPostgresTest::bytes),
        new Kind<>("time", OffsetDateTime.class, LockedInKeyOrderPostgresTest::time),
        new Kind<>("domain", Integer.class, random -> 1 + random.nextInt(1_000_000)));
  }

  private static String word(Random random) {
    StringBuilder word = new StringBuilder();
    int length = 1 + random.nextInt(6);
    for (int i = 0; i < length; i++) {
      word.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
    }
    return word.toString();
  }

  private static BigDecimal decimal(Random random) {
    return new BigDecimal(random.nextInt(2_000) - 1_000).movePointLeft(random.nextInt(4));
  }

  private static byte[] bytes(Random random) {
    byte[] bytes = new byte[1 + random.nextInt(4)];
    random.nextBytes(bytes);
    return bytes;
  }

  private static OffsetDateTime time(Random random) {
    return Instant.ofEpochSecond(random.nextInt(2_000_000_000))
        .atOffset(ZoneOffset.ofHours(random.nextInt(20) - 10));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void rowsBeforeTheOneWaitedFor_areLockedAndNoneBehind(Kind<?> kind) throws Exception {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    check(kind, random);
  }

  private <T> void check(Kind<T> kind, Random random) throws Exception {
    Table<Record> table = DSL.table(DSL.name("by_" + kind.table()));
    Field<T> id = DSL.field(DSL.name("id"), kind.type());
    LockClass lockClass = by(kind.table(), kind.type());
    LockOrder order = LockOrder.builder().rank(1, lockClass).build();
    dsl.truncate(table).execute();
    while (dsl.fetchCount(table) < 40) {
      dsl.insertInto(table, id).values(kind.value().apply(random)).onConflictDoNothing().execute();
    }
    dsl.execute("analyze " + table.getName());
    List<T> sorted = dsl.select(id).from(table).orderBy(id).fetch(id);
    for (int round = 0; round < (FULL ? 60 : PLANS.size()); round++) {
      int stop = random.nextInt(sorted.size());
      List<Resource> asked = new ArrayList<>(lockClass.rows(sorted));
      Collections.shuffle(asked, random);
      String plan = PLANS.get(round % PLANS.size());
      try (Interleaving script = Interleaving.of(postgres.dataSource())) {
        Interleaving.Session holder = script.session("holder");
        Interleaving.Session acquirer = script.session("acquirer");
        holder.run(
            c ->
                LockFixture.dsl(postgres.dataSource())
                    .configuration()
                    .derive(c)
                    .dsl()
                    .select(id)
                    .from(table)
                    .where(id.eq(sorted.get(stop)))
                    .forUpdate()
                    .execute());
        Interleaving.Step<Acquired> waiting =
            acquirer.start(
                "acquire",
                c -> {
                  if (!plan.isEmpty()) {
                    try (Statement set = c.createStatement()) {
                      set.execute(plan);
                    }
                  }
                  return order.acquire(Tx.join(c), asked);
                });
        waiting.awaitBlockedBy(holder);
        List<T> free =
            Transactions.of(postgres.dataSource())
                .run(
                    tx ->
                        tx.dsl()
                            .select(id)
                            .from(table)
                            .orderBy(id)
                            .forUpdate()
                            .skipLocked()
                            .fetch(id));
        assertThat(free)
            .as("free behind %d of %d, plan '%s', seed %d", stop, sorted.size(), plan, SEED)
            .usingRecursiveComparison()
            .isEqualTo(sorted.subList(stop + 1, sorted.size()));
        holder.rollback();
        assertThat(waiting.get().locked()).hasSameSizeAs(sorted);
        acquirer.rollback();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void orderThatJavaClaimsToKnow_isTheServers(Kind<?> kind) throws Exception {
    compare(kind, new Random(SEED));
  }

  private <T> void compare(Kind<T> kind, Random random) throws Exception {
    Table<Record> table = DSL.table(DSL.name("by_" + kind.table()));
    Field<T> id = DSL.field(DSL.name("id"), kind.type());
    LockClass lockClass = by(kind.table(), kind.type());
    dsl.truncate(table).execute();
    for (int i = 0; i < 500; i++) {
      dsl.insertInto(table, id).values(kind.value().apply(random)).onConflictDoNothing().execute();
    }
    List<T> sorted = dsl.select(id).from(table).orderBy(id).fetch(id);
    List<String> baseTypes =
        Transactions.of(postgres.dataSource())
            .run(tx -> LockTable.describe(tx.dsl(), tx.connection(), lockClass).baseTypes());
    var comparator = KeyOrder.of(baseTypes, List.of(kind.type()));
    assertThat(comparator.isPresent())
        .isEqualTo(!List.of("text", "icu", "loose", "citext").contains(kind.table()));
    if (comparator.isPresent()) {
      List<T> byJava = new ArrayList<>(sorted);
      Collections.shuffle(byJava, random);
      Comparator<List<Object>> keys = comparator.get();
      byJava.sort((left, right) -> keys.compare(List.of(left), List.of(right)));
      assertThat(byJava).as("seed " + SEED).usingRecursiveComparison().isEqualTo(sorted);
    }
  }

  @Test
  void compositeKeys_areOrderedByTheirColumnsInTurn() throws Exception {
    UUID high = UUID.fromString("f0000000-0000-0000-0000-000000000000"); // negative to Java
    UUID low = UUID.fromString("10000000-0000-0000-0000-000000000000");
    dsl.execute("insert into seat values (?, 1), (?, 2), (?, 1), (?, 2)", high, high, low, low);
    LockOrder order = LockFixture.order().build();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session acquirer = script.session("acquirer");
      holder.run(c -> order.acquire(Tx.join(c), LockFixture.SEATS.row(low, 2)));
      var waiting =
          acquirer.start(
              "acquire",
              c ->
                  order.acquire(
                      Tx.join(c),
                      LockFixture.SEATS.row(high, 1),
                      LockFixture.SEATS.row(low, 2),
                      LockFixture.SEATS.row(low, 1)));
      waiting.awaitBlockedBy(holder);
      LockOptions skip = LockOptions.defaults().skipLocked();
      Transactions transactions = Transactions.of(postgres.dataSource());
      Acquired first =
          transactions.run(
              tx ->
                  order.acquire(
                      tx,
                      skip,
                      List.of(LockFixture.SEATS.row(low, 1), LockFixture.SEATS.row(high, 1))));
      assertThat(first.locked()).containsExactly(LockFixture.SEATS.row(high, 1));
      holder.rollback();
      assertThat(waiting.get().locked()).hasSize(3);
      acquirer.rollback();
    }
  }

  @Test
  void keysThatTheServerTakesForEqual_areOneRow() {
    dsl.execute("truncate by_citext, by_loose, by_numeric");
    dsl.execute("insert into by_citext values ('Ada')");
    dsl.execute("insert into by_loose values ('Ada')");
    dsl.execute("insert into by_numeric values (1.00)");
    LockClass citext = by("citext", String.class);
    LockClass loose = by("loose", String.class);
    LockClass numeric = by("numeric", BigDecimal.class);
    LockOrder order = LockOrder.builder().rank(1, citext).rank(2, loose).rank(3, numeric).build();
    Acquired acquired =
        Transactions.of(postgres.dataSource())
            .run(
                tx ->
                    order.acquire(
                        tx,
                        LockFixture.PATIENT.returningRows(),
                        List.of(
                            citext.row("ada"),
                            citext.row("ADA"),
                            loose.row("aDA"),
                            loose.row("ada"),
                            numeric.row(new BigDecimal("1")),
                            numeric.row(new BigDecimal("1.0")))));
    assertThat(acquired.locked()).hasSize(6);
    assertThat(acquired.rows(citext)).hasSize(1);
    assertThat(acquired.rows(loose)).hasSize(1);
    assertThat(acquired.rows(numeric)).hasSize(1);
  }

  @Test
  void topmostNodeOfTheLockingSelect_isFedInOrderUnderEveryPlan() throws Exception {
    dsl.execute(
        "truncate by_icu; insert into by_icu select i::text from generate_series(1, 5000) i");
    dsl.execute("analyze by_icu");
    List<String> keys = new ArrayList<>();
    new Random(SEED).ints(30, 1, 5000).forEach(i -> keys.add(Integer.toString(i)));
    isFedInOrder("by_icu", by("icu", String.class).rows(keys), false);
  }

  @Test
  void topmostNodeOfTheSelectByValue_isFedInOrderUnderEveryPlan() throws Exception {
    List<UUID> keys = new ArrayList<>();
    for (int i = 0; i < 5000; i++) {
      keys.add(UUID.randomUUID());
    }
    dsl.execute("truncate by_uuid");
    dsl.execute("insert into by_uuid select unnest(?::uuid[])", (Object) keys.toArray(UUID[]::new));
    dsl.execute("analyze by_uuid");
    isFedInOrder("by_uuid", by("uuid", UUID.class).rows(keys.subList(0, 30)), true);
    dsl.execute("truncate by_uuid");
  }

  private void isFedInOrder(String name, List<Resource> keys, boolean byValue) throws Exception {
    LockClass lockClass = keys.get(0).lockClass();
    for (String plan : PLANS) {
      String explained =
          Transactions.of(postgres.dataSource())
              .run(
                  tx -> {
                    if (!plan.isEmpty()) {
                      tx.dsl().execute(plan);
                    }
                    LockTable table = LockTable.describe(tx.dsl(), tx.connection(), lockClass);
                    assertThat(table.isLockedByValue()).isEqualTo(byValue);
                    String sql =
                        "explain (costs off) "
                            + RowLockSql.locking(
                                table,
                                name,
                                new LockTable.Shape(
                                    LockMode.NO_KEY_UPDATE, LockOptions.Policy.WAIT, false));
                    Field<String> array = DSL.val(KeyText.array(keys, 0));
                    return (byValue
                            ? tx.dsl().fetch(sql, keys.size(), array, "1")
                            : tx.dsl().fetch(sql, array, "1"))
                        .getValues(0, String.class).stream()
                            .reduce("", (all, line) -> all + line + "\n");
                  });
      assertThat(explained)
          .as(plan)
          .containsPattern(
              "LockRows\\s+->  ((Incremental )?Sort|[\\s\\S]*Index (Only )?Scan using "
                  + name
                  + "_pkey on "
                  + name
                  + " t)");
    }
  }

  @Test
  void waitOfAnHour_isTakenForWhatItIs() {
    LockOrder order = LockFixture.order().build();
    Transactions.of(postgres.dataSource())
        .execute(
            tx ->
                order.acquire(
                    tx,
                    LockOptions.defaults().waitAtMost(Duration.ofHours(1)),
                    List.of(LockFixture.ACCOUNTS.row(1L))));
  }
}
