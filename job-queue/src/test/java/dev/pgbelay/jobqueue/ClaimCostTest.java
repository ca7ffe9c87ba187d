package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jooq.Record;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a claim reads, with little and with much around it. */
class ClaimCostTest {
  private static final int FEW = 1_000;
  private static final int MANY = QueueFixture.FULL ? 1_000_000 : 100_000;
  private static final int LIMIT = 500;
  private static final Pattern HITS =
      Pattern.compile("Buffers: shared hit=(\\d+)(?: read=(\\d+))?");

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private void fill(String queue, int due, int later) {
    fixture.dsl.execute(
        "insert into pgbelay.job (queue, kind, state, place, run_at, max_attempts, payload)"
            + " select ?, 'mail', case when i <= ? then 'ready' else 'scheduled' end, i,"
            + " case when i > ? then now() + interval '1 day' end, 3, '\\x00'"
            + " from generate_series(1, ?) i",
        queue,
        due,
        due,
        due + later);
  }

  /** The first claim as well: no statistics, and a plan that nobody has cached. */
  private String claim(String queue) throws Exception {
    return claim(queue, LowWaterMark.Spot.FRONT);
  }

  private String claim(String queue, LowWaterMark.Spot behind) throws Exception {
    QueueFixture.Hand hand = fixture.hand();
    String[] plan = new String[1];
    fixture.transactions.execute(
        tx ->
            plan[0] =
                hand.claims.explainClaim(
                    tx.connection(), hand.claimant.next(), queue, behind, Set.of("mail"), LIMIT));
    return plan[0];
  }

  private static long buffers(String plan) {
    Matcher hits = HITS.matcher(plan);
    assertThat(hits.find()).as(plan).isTrue();
    return Long.parseLong(hits.group(1))
        + (hits.group(2) == null ? 0 : Long.parseLong(hits.group(2)));
  }

  @Test
  void claim_readsAsMuchOfAFullQueueAsOfASmallOne() throws Exception {
    fill(fixture.queue, FEW, 0);
    long few = buffers(claim(fixture.queue));
    String crowded = fixture.queue + "-crowded";
    fill(crowded, MANY, MANY);
    fixture.dsl.execute(
        "insert into pgbelay.job_finished (id, finished_at, finished_day, attempt, outcome, queue,"
            + " kind) select i, now(), 20000, 1, 'done', ?, 'mail' from generate_series(1, ?) i",
        crowded,
        MANY);
    String plan = claim(crowded);
    long many = buffers(plan);
    System.out.println(
        "buffers of a claim of "
            + LIMIT
            + ": "
            + few
            + " with "
            + FEW
            + " jobs due, "
            + many
            + " with "
            + MANY
            + " due, scheduled and finished each");
    assertThat(plan).contains("Index Scan using job_ready").doesNotContain("Seq Scan on job ");
    assertThat((double) many / few).isLessThanOrEqualTo(2);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job where queue = ? and state = 'running'", crowded))
        .isEqualTo(LIMIT);
    fixture.dsl.execute("analyze pgbelay.job");
    assertThat((double) buffers(claim(crowded)) / few).as("with statistics").isLessThanOrEqualTo(2);
  }

  /** While the dead rows of jobs that are done cannot be cleaned up. */
  @Test
  void claimFromTheMark_doesNotWalkWhatAnOldSnapshotKeeps() throws Exception {
    int done = 20_000;
    String small = fixture.queue + "-small";
    fill(small, FEW, 0);
    long alone = buffers(claim(small));
    fill(fixture.queue, done, 0);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session old = script.session("old");
      old.run(
          c -> {
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            try (var select = c.prepareStatement("select count(*) from pgbelay.job")) {
              select.execute();
            }
          });
      fixture.dsl.execute("delete from pgbelay.job where queue = ?", fixture.queue);
      fixture.dsl.execute(
          "insert into pgbelay.job (queue, kind, state, place, max_attempts, payload)"
              + " select ?, 'mail', 'ready', ? + i, 3, '\\x00' from generate_series(1, ?) i",
          fixture.queue,
          done,
          2 * LIMIT);
      long fromTheFront = buffers(claim(fixture.queue));
      long fromTheMark = buffers(claim(fixture.queue, new LowWaterMark.Spot(done, Long.MAX_VALUE)));
      old.rollback();
      System.out.println(
          "buffers of a claim of "
              + LIMIT
              + " behind "
              + done
              + " that are done under an old snapshot: "
              + alone
              + " without them, "
              + fromTheFront
              + " from the front, "
              + fromTheMark
              + " from the mark");
      assertThat(fromTheMark - alone).isLessThan((fromTheFront - alone) / 2);
    }
  }

  /**
   * What two workers read, each of which has to pass over what the other one has done and an old
   * snapshot keeps: as much for each job, however many are claimed at once. Decision 93.
   */
  @Test
  void sizeOfABatch_makesNoDifferenceToWhatAnOldSnapshotKeeps() throws Exception {
    int jobs = 12_000;
    double small;
    double large;
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session old = script.session("old");
      old.run(
          c -> {
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            try (var select = c.prepareStatement("select count(*) from pgbelay.job")) {
              select.execute();
            }
          });
      small = buffersPerJob(fixture.queue + "-hundreds", jobs, 100);
      large = buffersPerJob(fixture.queue + "-thousands", jobs, 1_000);
      old.rollback();
    }
    System.out.printf(
        "buffers per job of two workers under an old snapshot: %.2f by 100, %.2f by 1000%n",
        small, large);
    assertThat(small / large).isBetween(0.75, 1.33);
  }

  private double buffersPerJob(String queue, int jobs, int batch) throws Exception {
    fill(queue, jobs, 0);
    LowWaterMark.Spot[] marks = {LowWaterMark.Spot.FRONT, LowWaterMark.Spot.FRONT};
    QueueFixture.Hand[] hands = {fixture.hand(), fixture.hand()};
    long buffers = 0;
    for (int turn = 0; turn < jobs / batch; turn++) {
      int one = turn % 2;
      String[] plan = new String[1];
      fixture.transactions.execute(
          tx -> {
            plan[0] =
                hands[one].claims.explainClaim(
                    tx.connection(),
                    hands[one].claimant.next(),
                    queue,
                    marks[one],
                    Set.of("mail"),
                    batch);
            Record last =
                tx.dsl()
                    .fetchSingle(
                        "select place, id from pgbelay.job where queue = ? and state = 'running'"
                            + " order by place desc, id desc limit 1",
                        queue);
            marks[one] = new LowWaterMark.Spot(last.get(0, Long.class), last.get(1, Long.class));
          });
      assertThat(
              fixture.dsl.execute(
                  "delete from pgbelay.job where queue = ? and state = 'running'", queue))
          .isEqualTo(batch);
      buffers += buffers(plan[0]);
    }
    return (double) buffers / jobs;
  }

  /** Jobs that were scheduled and have been promoted stand in front of the index. */
  @Test
  void promotionFromTheMark_doesNotWalkWhatAnOldSnapshotKeeps() throws Exception {
    int done = 20_000;
    PromoteSql promotions = new PromoteSql("pgbelay");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session old = script.session("old");
      fixture.dsl.execute(
          "insert into pgbelay.job (queue, kind, state, place, run_at, max_attempts, payload)"
              + " select ?, 'mail', 'scheduled', i, now() - interval '1 hour', 3, '\\x00'"
              + " from generate_series(1, ?) i",
          fixture.queue,
          done);
      old.run(
          c -> {
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            try (var select = c.prepareStatement("select count(*) from pgbelay.job")) {
              select.execute();
            }
          });
      int promoted =
          fixture.transactions.run(tx -> promotions.promote(tx.connection(), 0, 2 * done));
      assertThat(promoted).isEqualTo(done);
      long now = fixture.transactions.run(tx -> promotions.next(tx.connection(), 0).nowMicros());
      long fromTheFront = promotion(promotions, 0);
      long fromTheMark = promotion(promotions, now - 1_000_000);
      old.rollback();
      System.out.println(
          "buffers of a promotion of nothing behind "
              + done
              + " promoted under an old snapshot: "
              + fromTheFront
              + " from the front, "
              + fromTheMark
              + " from the mark");
      assertThat(fromTheMark).isLessThan(fromTheFront / 10);
    }
  }

  /** Jobs that have arrived and were admitted stand in front of the index. */
  @Test
  void lookForArrivalsFromTheMark_doesNotWalkWhatAnOldSnapshotKeeps() throws Exception {
    int done = 20_000;
    KeySql keys = new KeySql("pgbelay");
    long mark =
        fixture.transactions.run(tx -> keys.look(tx.connection(), 0, false).nowMicros()) - 1;
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session old = script.session("old");
      fixture.dsl.execute(
          "insert into pgbelay.job (queue, kind, state, place, run_at, max_attempts, payload,"
              + " partition_key, key_slot) select ?, 'mail', 'arriving', i, 'infinity', 3, '\\x00',"
              + " 'key ' || i, -1 from generate_series(1, ?) i",
          fixture.queue,
          done);
      old.run(
          c -> {
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            try (var select = c.prepareStatement("select count(*) from pgbelay.job")) {
              select.execute();
            }
          });
      int admitted =
          fixture.transactions.run(
              tx -> keys.admit(tx.connection(), KeySql.FRONT, 2 * done).looked());
      assertThat(admitted).isEqualTo(done);
      fixture.enqueue(fixture.mail("new").withPartitionKey("new"));
      long fromTheFront = arrivals(keys, KeySql.FRONT);
      fixture.enqueue(fixture.mail("newer").withPartitionKey("newer"));
      long fromTheMark = arrivals(keys, mark);
      old.rollback();
      System.out.println(
          "buffers of the look for a job that has arrived, and of its admission, behind "
              + done
              + " under an old snapshot: "
              + fromTheFront
              + " from the front, "
              + fromTheMark
              + " from the mark");
      assertThat(fixture.jobs("ready")).isEqualTo(done + 2);
      assertThat(fromTheMark).isLessThan(fromTheFront / 2);
    }
  }

  /** Of the look and the admission together. */
  private long arrivals(KeySql keys, long from) throws Exception {
    String plan = fixture.transactions.run(tx -> keys.explain(tx.connection(), from, 500));
    int second = plan.indexOf("Execution Time");
    return buffers(plan.substring(0, second)) + buffers(plan.substring(second));
  }

  @Test
  void promotion_doesNotWalkWhatIsScheduledForLater() throws Exception {
    fill(fixture.queue, 0, MANY);
    PromoteSql promotions = new PromoteSql("pgbelay");
    long now = fixture.transactions.run(tx -> promotions.next(tx.connection(), 0).nowMicros());
    long buffers = promotion(promotions, now - 1_000_000); // nothing of other tests
    System.out.println(
        "buffers of a promotion of nothing with " + MANY + " scheduled for later: " + buffers);
    assertThat(buffers).isLessThan(50);
  }

  private long promotion(PromoteSql promotions, long from) throws Exception {
    String plan =
        fixture.transactions.run(tx -> promotions.explainPromotion(tx.connection(), from, 500));
    return buffers(plan);
  }

  /** What is blocked behind its key is in no index that a claim reads. */
  @Test
  void claim_doesNotWalkJobsThatAreBlockedByTheirKey() throws Exception {
    fill(fixture.queue, FEW, 0);
    long few = buffers(claim(fixture.queue));
    String crowded = fixture.queue + "-hot-key";
    fixture.dsl.execute(
        "insert into pgbelay.job (queue, kind, state, place, run_at, max_attempts, payload,"
            + " partition_key, key_slot) select ?, 'mail',"
            + " case when i = 1 then 'ready' else 'blocked' end, i,"
            + " case when i > 1 then 'infinity'::timestamptz end, 3, '\\x00', 'hot',"
            + " case when i = 1 then 1 else 0 end from generate_series(1, 100000) i",
        crowded);
    fill(crowded, FEW, 0);
    long many = buffers(claim(crowded));
    System.out.println(
        "buffers of a claim of "
            + LIMIT
            + ": "
            + few
            + ", "
            + many
            + " with 100000 jobs blocked behind one key");
    assertThat((double) many / few).isLessThanOrEqualTo(2);
    KeySql keys = new KeySql("pgbelay");
    fixture.dsl.execute(
        "delete from pgbelay.job where queue = ? and partition_key = 'hot' and key_slot = 1",
        crowded);
    fixture.transactions.execute(
        tx -> {
          String before = reads(tx);
          KeySql.Given given = keys.sweep(tx.connection(), new KeySql.SlotKey(crowded, ""), 500);
          assertThat(given.ready()).isEqualTo(1);
          assertThat(Long.parseLong(reads(tx)) - Long.parseLong(before))
              .as("rows read from the table by a walk over one key")
              .isLessThan(100);
        });
  }

  /** Rows that this transaction has fetched from the table of jobs. */
  private static String reads(dev.pgbelay.core.Tx tx) {
    return String.valueOf(
        tx.dsl()
            .fetchValue(
                "select pg_stat_get_xact_tuples_fetched(c) + pg_stat_get_xact_tuples_returned(c)"
                    + " from (select 'pgbelay.job'::regclass as c) as t"));
  }

  /** One index with one of these columns, be it in its WHERE, and every claim changes them all. */
  @Test
  void columnsThatAClaimChanges_areInNoIndex() {
    assertThat(
            fixture.dsl.fetchValues(
                "select i.indexrelid::regclass || ' has ' || a.attname from pg_index i"
                    + " join pg_attribute a on a.attrelid = i.indrelid"
                    + " where i.indrelid = 'pgbelay.job'::regclass and a.attname in"
                    + " ('state', 'attempt', 'claimant', 'claim_number')"
                    + " and pg_get_indexdef(i.indexrelid) ~ ('\\m' || a.attname || '\\M')"))
        .isEmpty();
  }

  @Test
  void claim_changesNoIndex() throws Exception {
    fixture.enqueue(2_000);
    QueueFixture.Hand hand = fixture.hand();
    fixture.transactions.execute(
        tx -> {
          hand.claims.claim(
              tx.connection(),
              hand.claimant.next(),
              fixture.queue,
              LowWaterMark.Spot.FRONT,
              Set.of("mail"),
              2_000,
              Duration.ofSeconds(30));
          Record row =
              tx.dsl()
                  .fetchSingle(
                      "select n_tup_upd, n_tup_hot_upd from pg_stat_xact_user_tables"
                          + " where relid = 'pgbelay.job'::regclass");
          assertThat(row.get(0, Long.class)).isEqualTo(2_000);
          assertThat(row.get(1, Long.class)).as("in place").isEqualTo(2_000);
        });
  }
}
