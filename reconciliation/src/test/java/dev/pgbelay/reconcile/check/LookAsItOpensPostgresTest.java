package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.ChangedShop.assertRead;
import static dev.pgbelay.reconcile.check.DeclarationReport.Mode.INCREMENTAL;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.CLEAN;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.HELD_ELSEWHERE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.condition;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jooq.Condition;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Incremental runs that are opened, looked at and ended in one transaction. */
class LookAsItOpensPostgresTest {
  private static final List<String> SENT = new CopyOnWriteArrayList<>();

  /** Every statement and every end of a transaction. */
  private static final StatementObserver OBSERVER =
      new StatementObserver() {
        @Override
        public void executed(StatementEvent event) {
          SENT.add(event.sql());
        }

        @Override
        public void ended(TransactionEvent event) {
          SENT.add("end: " + event.outcome());
        }
      };

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChangedShop.SCHEMA).withObserver(OBSERVER);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void fill() {
    shop.customers(1_000);
    DeleteCapture.of(shop.transactions, Declarations.of("1", ChangedShop.REFERENCE)).install();
    shop.dsl.execute("truncate pgbelay.reconcile_deleted");
  }

  private DeclarationReport run(Declaration declaration) {
    return Checker.builder(shop.transactions, Declarations.of("1", declaration))
        .incremental(Duration.ofDays(1))
        .overlap(Duration.ZERO)
        .throttle(List.of())
        .build()
        .run(declaration.name());
  }

  private static Invariant changed(String name, String holds) {
    Condition condition = condition(holds);
    return Invariant.everyRow(name, ShopFixture.ORDERS, condition)
        .withChangedAt(ChangedShop.STATUS.changedAt().orElseThrow());
  }

  private static List<String> ends() {
    return SENT.stream().filter(each -> each.startsWith("end:")).toList();
  }

  @Test
  void soundIncrementalRun_comparesTheSchema_andIsOneTransaction() {
    run(ChangedShop.REFERENCE);
    shop.dsl.execute("update orders set status = 'paid' where id = 7");
    SENT.clear();
    DeclarationReport report = run(ChangedShop.REFERENCE);
    assertThat(ends()).as("%s", SENT).containsExactly("end: COMMITTED", "end: COMMITTED");
    assertThat(SENT).as("%s", SENT).hasSizeLessThanOrEqualTo(14);
    assertRead(report, INCREMENTAL, 1, 0);
    assertThat(
            shop.dsl
                .fetch(
                    "select mode, outcome, rows_checked, scanned_at is not null, finished_at is not null"
                        + " from pgbelay.reconcile_run order by id desc limit 1")
                .intoArrays())
        .isDeepEqualTo(new Object[][] {{"INCREMENTAL", "CLEAN", 1L, true, true}});
  }

  @Test
  void lastFullScan_isTheReportsOwnOfAFullRun_andTheOneBeforeOfOthers() {
    DeclarationReport full = run(ChangedShop.REFERENCE);
    Instant began =
        shop.dsl
            .resultQuery("select started_at from pgbelay.reconcile_run")
            .fetchSingle()
            .get(0, Instant.class);
    assertThat(full.lastFullScan()).contains(began);
    assertThat(run(ChangedShop.REFERENCE).lastFullScan()).contains(began);
    shop.dsl.execute(
        "update pgbelay.reconcile_run set started_at = started_at - interval '2 days'");
    DeclarationReport next = run(ChangedShop.REFERENCE);
    assertThat(next.mode()).isEqualTo(DeclarationReport.Mode.FULL);
    assertThat(next.lastFullScan()).hasValueSatisfying(at -> assertThat(at).isAfter(began));
  }

  @Test
  void childOfACapturedDelete_isLookedAt_thoughItHasNotChanged() {
    run(ChangedShop.REFERENCE);
    shop.dsl.execute("delete from customers where id = 3");
    assertRead(run(ChangedShop.REFERENCE), INCREMENTAL, 1, 1);
  }

  /** What was open before is asked about again, though nothing has changed. */
  @Test
  void openFinding_keepsTheRunFromEndingAtOnce() {
    shop.dsl.execute("delete from customers where id = 3");
    run(ChangedShop.REFERENCE);
    shop.dsl.execute("truncate pgbelay.reconcile_deleted");
    assertRead(run(ChangedShop.REFERENCE), INCREMENTAL, 0, 1);
    shop.dsl.execute("insert into customers values (3, 'back')");
    assertRead(run(ChangedShop.REFERENCE), INCREMENTAL, 0, 0);
  }

  /** It cannot see the run of the other one, which is not committed. */
  @Test
  void twoAtOnce_areOneRun_ofWhichOneIsTurnedAway() throws Exception {
    shop.dsl.execute(
        "create table gate (open boolean); insert into gate values (true);"
            + " create function waits() returns boolean language plpgsql volatile as $$ begin"
            + "   while not (select open from gate) loop perform pg_sleep(0.005); end loop;"
            + "   return true; end $$");
    Invariant waiting = changed("waiting", "waits()");
    assertThat(run(waiting).outcome()).isEqualTo(CLEAN);
    shop.dsl.execute("update orders set status = 'paid' where id = 7");
    shop.dsl.execute("update gate set open = false");
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      Future<DeclarationReport> first = thread.submit(() -> run(waiting));
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () ->
                  shop.count(
                          "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
                              + " and datname = current_database()")
                      == 1);
      DeclarationReport second = run(waiting);
      shop.dsl.execute("update gate set open = true");
      assertThat(second.outcome()).as("%s", second).isEqualTo(HELD_ELSEWHERE);
      assertRead(first.get(1, TimeUnit.MINUTES), INCREMENTAL, 1, 0);
      assertThat(shop.count("select count(*) from pgbelay.reconcile_run")).isEqualTo(2);
    } finally {
      shop.dsl.execute("update gate set open = true");
      thread.shutdownNow();
      assertThat(thread.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
  }

  /** All of it is taken back, and done again in the usual steps. */
  @Test
  void sessionThatIsEndedInTheMiddle_leavesNothing_andTheCallGoesOn() {
    shop.dsl.execute(
        "create sequence deaths start 1;"
            + " create function dies() returns boolean language plpgsql volatile as $$ begin"
            + "   if nextval('deaths') = 1001 then perform pg_terminate_backend(pg_backend_pid()); end if;"
            + "   return true; end $$");
    Invariant dying = changed("dying", "dies()");
    assertThat(run(dying).outcome()).isEqualTo(CLEAN);
    assertThat(shop.dsl.fetchValue("select last_value from deaths")).isEqualTo(1_000L);
    shop.dsl.execute("update orders set status = 'paid' where id in (7, 8, 9)");
    assertRead(run(dying), INCREMENTAL, 3, 0);
    assertThat(shop.count("select count(*) from pgbelay.reconcile_run")).isEqualTo(2);
    assertThat(shop.count("select count(*) from pgbelay.chunk_job")).isZero();
  }

  /** What was wrong and is kept is confirmed by a later transaction, as ever. */
  @Test
  void wrongRowThatHasChanged_isFoundAndConfirmed() {
    run(ChangedShop.STATUS);
    shop.dsl.execute("update orders set status = 'canceled' where id = 7");
    assertRead(run(ChangedShop.STATUS), INCREMENTAL, 1, 1);
    shop.dsl.execute("update orders set status = 'cancelled' where id = 7");
    assertRead(run(ChangedShop.STATUS), INCREMENTAL, 1, 0);
  }
}
