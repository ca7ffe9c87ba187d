package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.repair.RepairReport.OfDeclaration;
import dev.pgbelay.reconcile.repair.RepairReport.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Whatever becomes of who repairs: a finding is repaired with its undo, or not at all. */
class RepairKillsTest {
  private static final int KILLS =
      Integer.getInteger(
          "pgbelay.kills", "full".equals(System.getProperty("pgbelay.scale")) ? 200 : 15);
  private static final int FINDINGS = 9;

  /** A finding whose row, state and undo do not agree. */
  private static final String HALF_REPAIRED =
      """
      select f.declaration, f.row_key, f.state, u.kept, w.wrong
        from pgbelay.reconcile_finding f
        cross join lateral (
          select count(*) as kept from pgbelay.reconcile_undo
           where finding_id = f.id and undone_at is null) u
        cross join lateral (
          select exists (
            select from orders o where o.id = cast(f.row_key ->> 0 as bigint)
               and case f.declaration
                     when 'order-customer' then o.customer_id is not null and not exists (select from customers c where c.id = o.customer_id)
                     when 'order-total' then total <> (select coalesce(sum(amount), 0) from lines l where l.order_id = o.id)
                     else status not in ('open', 'paid', 'cancelled') end) as wrong) w
       where (f.state, u.kept, w.wrong) not in (('CONFIRMED', 0, true), ('REPAIRED', 1, false))
      """;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void corrupt() {
    shop.customers(40);
    shop.dsl.execute("delete from customers where id in (1, 2, 3)");
    shop.dsl.execute("update orders set total = total + 5.50 where id in (11, 12, 13)");
    shop.dsl.execute("update orders set status = 'canceled' where id in (21, 22, 23)");
    check();
    assertThat(count("CONFIRMED")).isEqualTo(FINDINGS);
  }

  private void check() {
    Checker.builder(shop.transactions, ShopFixture.ALL).throttle(List.of()).build().run();
  }

  private int count(String state) {
    return shop.count("select count(*) from pgbelay.reconcile_finding where state = ?", state);
  }

  private String contents() {
    return String.valueOf(
        shop.dsl.fetchValue(
            "select string_agg(r, chr(10) order by r) from ("
                + "select 'c' || c::text as r from customers c union all"
                + " select 'o' || o::text from orders o union all select 'l' || l::text from lines l) x"));
  }

  private void assertNothingIsHalfRepaired(String after) {
    assertThat(shop.dsl.fetch(HALF_REPAIRED)).as(after).isEmpty();
  }

  private void undoEverything(String before) {
    List<UUID> batches =
        shop.dsl
            .fetch(
                "select batch from pgbelay.reconcile_undo where undone_at is null"
                    + " group by batch order by max(id) desc")
            .getValues(0, UUID.class);
    for (UUID batch : batches) {
      assertThat(UndoLog.of(shop.transactions).undo(batch).conflicts()).isEmpty();
    }
    assertThat(contents()).isEqualTo(before);
    assertThat(count("CONFIRMED")).isEqualTo(FINDINGS);
  }

  @Test
  void processKilledBetweenAnyTwoStatements_leavesEachFindingWholeOrUntouched() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    String before = contents();
    AtomicInteger statements = new AtomicInteger();
    RepairProcess.repairs(RepairProcess.counted(postgres.dataSource(), statements::set)).run();
    assertThat(count("REPAIRED")).isEqualTo(FINDINGS);
    assertNothingIsHalfRepaired("a run that nobody killed");
    undoEverything(before);
    int killed = 0;
    int partly = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      int last = 1 + random.nextInt(statements.get());
      String name = "repair-" + kill;
      Process process = RepairProcess.start(postgres.jdbcUrl() + "&ApplicationName=" + name, last);
      assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
      killed += process.exitValue() == 137 ? 1 : 0;
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () ->
                  shop.count(
                          "select count(*) from pg_stat_activity where application_name = ?", name)
                      == 0);
      assertNothingIsHalfRepaired("killed before statement %d, seed %d".formatted(last, seed));
      int repaired = count("REPAIRED");
      partly += repaired > 0 && repaired < FINDINGS ? 1 : 0;
      if (repaired > FINDINGS / 2) {
        undoEverything(before);
      }
    }
    System.out.printf(
        "%d of %d processes killed, each before one of %d statements, %d with part of the repairs done%n",
        killed, KILLS, statements.get(), partly);
    assertThat(killed).isPositive();
    undoEverything(before);
  }

  @Test
  void twoAtOnce_repairNothingTwice() throws Exception {
    String before = contents();
    ExecutorService threads = Executors.newFixedThreadPool(3);
    try {
      for (int round = 0; round < 5; round++) {
        List<Future<RepairReport>> runs = new ArrayList<>();
        for (int k = 0; k < 3; k++) {
          runs.add(
              threads.submit(
                  () ->
                      Repairs.builder(shop.transactions, ShopFixture.ALL)
                          .policy("order-customer", RepairPolicy.setNull())
                          .policy("order-total", RepairPolicy.recompute())
                          .lockTimeout(Duration.ofMinutes(1))
                          .repairTimeout(Duration.ofMinutes(2))
                          .build()
                          .run()));
        }
        long repaired = 0;
        for (Future<RepairReport> run : runs) {
          for (OfDeclaration each : run.get(2, TimeUnit.MINUTES).declarations()) {
            assertThat(each.failures()).isEmpty();
            repaired += each.repaired();
          }
        }
        assertThat(repaired).isEqualTo(6);
        assertNothingIsHalfRepaired("two at once");
        undoEverything(before);
      }
    } finally {
      threads.shutdownNow();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
  }

  @Test
  void moreFoundMeanwhile_stopAtTheCeiling_andTheRestStaysOpen() {
    AtomicInteger calls = new AtomicInteger();
    RepairReport report =
        Repairs.builder(shop.transactions, ShopFixture.ALL)
            .policy("order-customer", RepairPolicy.delete())
            .ceiling(4)
            .afterEach(
                (tx, finding) -> {
                  if (calls.getAndIncrement() == 2) {
                    shop.dsl.execute("delete from customers where id between 31 and 35");
                    shop.dsl.execute(
                        "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence, confirmed_at)"
                            + " select 'order-customer', jsonb_build_array(g::text), 'CONFIRMED',"
                            + " jsonb_build_object('customer_id', g::text), now()"
                            + " from generate_series(31, 35) g");
                  }
                })
            .build()
            .run();
    OfDeclaration orphans = report.declarations().get(0);
    assertThat(orphans.outcome()).isEqualTo(Outcome.CEILING_REACHED);
    assertThat(orphans.repaired()).isEqualTo(4);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_undo")).isEqualTo(4);
    assertThat(
            shop.count(
                "select count(*) from pgbelay.reconcile_finding"
                    + " where declaration = 'order-customer' and state = 'CONFIRMED'"))
        .isEqualTo(4);
    assertThat(UndoLog.of(shop.transactions).undo(report.batch()).restored()).isEqualTo(4);
    assertThat(shop.count("select count(*) from orders")).isEqualTo(40);
  }
}
