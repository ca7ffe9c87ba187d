package dev.pgbelay.reconcile.retention;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.RepairProcess;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Much that is old, and processes that end somewhere among it. */
class RetentionKillTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int ROWS = FULL ? 100_000 : 3_000;
  private static final int KILLS = FULL ? 10 : 3;

  /** Of one statement: the limit of chunked jobs. */
  private static final int MOST_AT_ONCE = 50_000;

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private void age() {
    shop.dsl.execute(
        "insert into pgbelay.reconcile_undo (declaration, batch, action, table_name, columns,"
            + " row_key, row_before, done_at) select 'd', md5((g / 4)::text)::uuid, 'DELETE', 't',"
            + " '{}', to_jsonb(array[g::text]), 'x',"
            + " now() - case when g % 10 = 0 then interval '1 day' else interval '100 days' end"
            + " from generate_series(1, ?) g",
        ROWS);
    shop.dsl.execute(
        "insert into pgbelay.reconcile_deleted (reference, parent_key, cause, urgency, batch)"
            + " select 'd', to_jsonb(array[g::text]), 'DELETE', 1, md5(g::text)::uuid"
            + " from generate_series(0, ?, 10) g",
        ROWS / 4);
    shop.dsl.execute(
        "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence, closed_at)"
            + " select 'd', to_jsonb(array[g::text]),"
            + " case when g % 10 = 0 then 'CONFIRMED' else 'REPAIRED' end, '{}',"
            + " case when g % 10 > 0 then now() - interval '100 days' end"
            + " from generate_series(1, ?) g",
        ROWS);
    shop.dsl.execute(
        "insert into pgbelay.reconcile_run (declaration, version, mode, started_at, finished_at,"
            + " outcome, scanned_at) select 'd' || g % 50, '1', 'FULL', now() - interval '100 days',"
            + " now() - interval '100 days', 'CLEAN', now() from generate_series(1, ?) g",
        ROWS);
    shop.dsl.execute("drop table if exists kept, removed");
    shop.dsl.execute(
        "create table kept as select 'reconcile_undo' as of, id from pgbelay.reconcile_undo u"
            + " where done_at > now() - interval '90 days'"
            + " or exists (select from pgbelay.reconcile_deleted d where d.batch = u.batch)"
            + " union all select 'reconcile_finding', id from pgbelay.reconcile_finding"
            + " where state = 'CONFIRMED'"
            + " union all select 'reconcile_run', max(id) from pgbelay.reconcile_run"
            + " group by declaration");
    shop.dsl.execute("create table removed (rows bigint)");
    shop.dsl.execute(
        "create or replace function count_removed() returns trigger language plpgsql as"
            + " $$ begin insert into removed select count(*) from old_rows; return null; end $$");
    for (String table : new String[] {"reconcile_undo", "reconcile_finding", "reconcile_run"}) {
      shop.dsl.execute(
          "create or replace trigger count_removed after delete on pgbelay."
              + table
              + " referencing old table as old_rows for each statement"
              + " execute function count_removed()");
    }
    shop.dsl.execute(
        "analyze pgbelay.reconcile_undo, pgbelay.reconcile_finding, pgbelay.reconcile_run,"
            + " pgbelay.reconcile_deleted");
  }

  private int left() {
    return shop.count(
        "select (select count(*) from pgbelay.reconcile_undo)"
            + " + (select count(*) from pgbelay.reconcile_finding)"
            + " + (select count(*) from pgbelay.reconcile_run)");
  }

  private int lost() {
    return shop.count(
        "select count(*) from (select of, id from kept except ("
            + "select 'reconcile_undo', id from pgbelay.reconcile_undo union all"
            + " select 'reconcile_finding', id from pgbelay.reconcile_finding union all"
            + " select 'reconcile_run', id from pgbelay.reconcile_run)) as gone");
  }

  @Test
  void processesKilledInTheMiddle_loseNothingThatStays_andTheNextOneGoesOn() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("RetentionKillTest: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    age();
    int before = left();
    for (int kill = 0; kill < KILLS; kill++) {
      int last = 1 + random.nextInt(FULL ? 400 : 60);
      Process process = RepairProcess.start(RetentionProcess.class, postgres.jdbcUrl(), last);
      try {
        assertThat(process.waitFor(4, TimeUnit.MINUTES)).as("ends").isTrue();
      } finally {
        process.destroyForcibly();
      }
      assertThat(lost()).as("killed before statement %d", last).isZero();
      // As if the time of its claim were over.
      shop.dsl.execute("update pgbelay.chunk_job set lease_until = clock_timestamp()");
    }
    assertThat(before - left()).as("the kills came in the middle").isLessThan(before);
    while (Retention.builder(shop.transactions).build().run().total() > 0) {
      // A job that was gone on with has left out what it had passed; nothing had come in behind it.
    }
    assertThat(lost()).isZero();
    assertThat(left()).isEqualTo(shop.count("select count(*) from kept"));
    assertThat(shop.count("select sum(rows) from removed")).isEqualTo(before - left());
    assertThat(shop.count("select max(rows) from removed")).isLessThanOrEqualTo(MOST_AT_ONCE);
    assertThat(shop.count("select count(*) from removed where rows > 0")).isGreaterThan(5);
  }
}
