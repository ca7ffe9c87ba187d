package dev.pgbelay.reconcile.retention;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.retention.Retention.Purged;
import dev.pgbelay.testing.PostgresExtension;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What goes when it is old, and what stays however old it is. */
class RetentionPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private Purged purge() {
    return Retention.builder(shop.transactions).build().run();
  }

  private void run(
      String version, String mode, @Nullable String outcome, String age, boolean scanned) {
    String changed = mode.equals("FULL") ? "null" : "now()";
    shop.dsl.execute(
        "insert into pgbelay.reconcile_run (declaration, version, mode, started_at, finished_at,"
            + " outcome, scanned_at, changed_from, changed_until) select 'd', ?, ?,"
            + " now() - ?::interval, case when o is not null then now() - ?::interval end, o,"
            + " case when ? then now() end, "
            + changed
            + ", "
            + changed
            + " from (select cast(? as text) as o) x",
        version,
        mode,
        age,
        age,
        scanned,
        outcome);
  }

  private String runs() {
    return String.valueOf(
        shop.dsl.fetchValue(
            "select string_agg(version || ' ' || mode || ' ' || coalesce(outcome, 'OPEN') || ' ' ||"
                + " (now()::date - started_at::date), ', ' order by id) from pgbelay.reconcile_run"));
  }

  @Test
  void oldRuns_goIfALaterOneOfTheirKindWasWhole() {
    run("1", "FULL", "CLEAN", "400 days", true);
    run("1", "FULL", "INCOMPLETE", "350 days", false);
    run("1", "FULL", "FINDINGS", "300 days", true);
    run("1", "INCREMENTAL", "CLEAN", "250 days", true);
    run("1", "INCREMENTAL", "CLEAN", "200 days", true);
    run("2", "FULL", "CLEAN", "150 days", true);
    run("2", "FULL", "CLEAN", "10 days", true);
    run("2", "FULL", null, "500 days", true);
    assertThat(purge()).isEqualTo(new Purged(4, 0, 0));
    assertThat(runs())
        .isEqualTo(
            "1 FULL FINDINGS 300, 1 INCREMENTAL CLEAN 200, 2 FULL CLEAN 10, 2 FULL OPEN 500");
    assertThat(purge()).isEqualTo(new Purged(0, 0, 0));
  }

  @Test
  void runsThatWereNeverWhole_leaveTheFirst_theLastScannedAndTheLast() {
    run("1", "FULL", "INCOMPLETE", "400 days", false);
    run("1", "FULL", "INCOMPLETE", "350 days", true);
    run("1", "FULL", "INCOMPLETE", "300 days", true);
    run("1", "FULL", "INCOMPLETE", "250 days", false);
    run("1", "FULL", "INCOMPLETE", "200 days", false);
    assertThat(purge().runs()).isEqualTo(2);
    assertThat(runs())
        .isEqualTo("1 FULL INCOMPLETE 400, 1 FULL INCOMPLETE 300, 1 FULL INCOMPLETE 200");
  }

  @Test
  void closedFindings_goWhenOld_openOnesNever() {
    shop.dsl.execute(
        "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence, first_seen,"
            + " last_seen, closed_at) select 'd', to_jsonb(array[s, a::text]), s, '{}',"
            + " now() - a * interval '1 day', now() - a * interval '1 day',"
            + " case when s in ('REPAIRED', 'RESOLVED') then now() - a * interval '1 day' end"
            + " from unnest(array['CANDIDATE', 'CONFIRMED', 'REPAIRED', 'RESOLVED']) s,"
            + " unnest(array[80, 100]) a");
    assertThat(purge()).isEqualTo(new Purged(0, 2, 0));
    assertThat(
            shop.count(
                "select count(*) from pgbelay.reconcile_finding where state in ('CANDIDATE',"
                    + " 'CONFIRMED')"))
        .isEqualTo(4);
    assertThat(
            shop.count(
                "select count(*) from pgbelay.reconcile_finding where closed_at is not null"))
        .isEqualTo(2);
  }

  @Test
  void undoRows_goWhenOld_butNotOfDeletesThatAreNotDone() {
    shop.customers(3);
    shop.dsl.execute("delete from customers");
    Checker.builder(shop.transactions, ShopFixture.ALL).build().run();
    Repairs.builder(shop.transactions, ShopFixture.ALL)
        .policy("order-customer", RepairPolicy.delete())
        .build()
        .run();
    shop.dsl.execute("update pgbelay.reconcile_undo set batch = gen_random_uuid()");
    shop.dsl.execute(
        "insert into pgbelay.reconcile_deleted (reference, parent_key, cause, urgency, batch)"
            + " select 'order-customer', '[\"1\"]', 'DELETE', 1, batch from pgbelay.reconcile_undo"
            + " order by id limit 1");
    assertThat(purge().undo()).isZero();
    shop.dsl.execute("update pgbelay.reconcile_undo set done_at = now() - interval '91 days'");
    assertThat(purge()).isEqualTo(new Purged(0, 0, 2));
    shop.dsl.execute("delete from pgbelay.reconcile_deleted");
    assertThat(purge()).isEqualTo(new Purged(0, 0, 1));
  }
}
