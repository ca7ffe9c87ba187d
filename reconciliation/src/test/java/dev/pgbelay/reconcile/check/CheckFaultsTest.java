package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.HELD_ELSEWHERE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs that are cut, and runs that meet: every row is counted once in a run that is whole. */
class CheckFaultsTest {
  private static final int ROWS = 2_000;
  private static final int KILLS = "full".equals(System.getProperty("pgbelay.scale")) ? 200 : 20;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void corrupt() {
    shop.customers(ROWS);
    shop.dsl.execute("delete from customers where id % 500 = 1");
  }

  private Checker checker(boolean byRanges) {
    Checker.Builder checker =
        Checker.builder(
                shop.transactions, Declarations.of("1", ShopFixture.ORDER_CUSTOMER_REFERENCE))
            .throttle(List.of());
    return (byRanges ? checker.rangeRows(50, 50, 50) : checker).build();
  }

  private void assertWholeRunsCountEveryRowOnce() {
    assertThat(
            shop.dsl
                .fetch(
                    "select distinct rows_checked, candidates, outcome from pgbelay.reconcile_run"
                        + " where finished_at is not null")
                .intoArrays())
        .isDeepEqualTo(new Object[][] {{(long) ROWS, 4L, "FINDINGS"}});
    assertThat(
            shop.count("select count(*) from pgbelay.reconcile_finding where state = 'CONFIRMED'"))
        .isEqualTo(4);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void severalAtOnce_areOneRun(boolean byRanges) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      for (int round = 0; round < 3; round++) {
        List<Future<DeclarationReport>> runs = new ArrayList<>();
        for (int k = 0; k < 4; k++) {
          runs.add(threads.submit(() -> checker(byRanges).run("order-customer")));
        }
        for (Future<DeclarationReport> run : runs) {
          DeclarationReport report = run.get(1, TimeUnit.MINUTES);
          assertThat(report.outcome()).as("%s", report).isIn(FINDINGS, HELD_ELSEWHERE);
        }
        assertWholeRunsCountEveryRowOnce();
      }
    } finally {
      threads.shutdownNow();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void runWhoseConnectionsAreKilled_isGoneOnWith_andCountsEveryRowOnce(boolean byRanges)
      throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    AtomicInteger killed = new AtomicInteger();
    ExecutorService threads = Executors.newSingleThreadExecutor();
    try {
      Future<Void> killer =
          threads.submit(
              () -> {
                while (killed.get() < KILLS) {
                  Thread.sleep(random.nextInt(60));
                  killed.addAndGet(
                      shop.count(
                          "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                              + " where datname = current_database() and pid <> pg_backend_pid()"
                              + " and (state = 'active' or state like 'idle in transaction%')"));
                }
                return null;
              });
      int runs = 0;
      while (!killer.isDone()
          || shop.count("select count(*) from pgbelay.reconcile_run where finished_at is not null")
              == 0) {
        tryToRun(byRanges);
        assertThat(++runs).as("seed %d", seed).isLessThan(10_000);
      }
      killer.get();
      assertThat(checker(byRanges).run("order-customer").outcome()).isEqualTo(FINDINGS);
      assertWholeRunsCountEveryRowOnce();
      System.out.println(killed.get() + " kills, " + runs + " calls");
    } finally {
      threads.shutdownNow();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
  }

  private void tryToRun(boolean byRanges) {
    try {
      checker(byRanges).run("order-customer");
    } catch (RuntimeException e) {
      // Killed before the check, in the comparison with the catalog.
      assertThat(e.getMessage()).isNotNull();
    }
  }
}
