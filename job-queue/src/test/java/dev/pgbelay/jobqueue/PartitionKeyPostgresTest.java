package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.KeySql.Given;
import dev.pgbelay.jobqueue.KeySql.SlotKey;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Jobs with one partition key run one after the other, whoever runs them, and however they end. */
class PartitionKeyPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final KeySql keys = new KeySql("pgbelay");

  private NewJob<String> keyed(String key) {
    return fixture.mail("x").withPartitionKey(key);
  }

  private List<Long> enqueue(String key, int count) {
    List<Long> ids = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      ids.add(fixture.enqueue(keyed(key)));
    }
    return ids;
  }

  /** How many jobs of this queue that made ready. */
  private int admit() throws Exception {
    int before = fixture.jobs("ready");
    fixture.transactions.execute(
        tx -> {
          assertThat(keys.lock(tx.connection())).isTrue();
          keys.admit(tx.connection(), KeySql.FRONT, 1_000);
        });
    return fixture.jobs("ready") - before;
  }

  /** How many jobs of this queue that made ready. */
  private int sweep() throws Exception {
    int before = fixture.jobs("ready");
    fixture.transactions.execute(
        tx -> {
          assertThat(keys.lock(tx.connection())).isTrue();
          keys.sweep(tx.connection(), null, 1_000);
        });
    return fixture.jobs("ready") - before;
  }

  private List<Long> claimed(Hand hand) throws Exception {
    return hand.claim(100).stream().map(ClaimedJob::id).toList();
  }

  private void settle(ClaimedJob job, Fate fate) throws Exception {
    assertThat(tryToSettle(job, fate)).isEmpty();
  }

  private Map<Long, Boolean> tryToSettle(ClaimedJob job, Fate fate) throws Exception {
    Settlement settlement =
        Settlement.of(job, fate, fixture.slots()).because("test").after(Duration.ofHours(1));
    return fixture.transactions.run(
        tx ->
            fixture.settle.settle(
                tx.connection(), fate, job.fence().claimant(), "test", List.of(settlement)));
  }

  private void limit(int ofKey) {
    fixture.dsl.execute(
        "insert into pgbelay.job_control (scope, name, key_limit) values ('queue', ?, ?)"
            + " on conflict (scope, name) do update set key_limit = excluded.key_limit",
        fixture.queue,
        ofKey);
  }

  @Test
  void jobsOfAKey_runOneAfterTheOtherInTheirOrder() throws Exception {
    List<Long> a = enqueue("a", 4);
    List<Long> b = enqueue("b", 2);
    Hand hand = fixture.hand();
    assertThat(hand.claim(100)).as("nobody has looked at them yet").isEmpty();
    assertThat(admit()).isEqualTo(2);
    List<Long> order = new ArrayList<>();
    for (List<ClaimedJob> running = hand.claim(100);
        !running.isEmpty();
        running = hand.claim(100)) {
      assertThat(running.stream().map(job -> a.contains(job.id())).distinct().count())
          .as("one of each key")
          .isEqualTo(running.size());
      assertThat(hand.claim(100)).as("their keys are taken").isEmpty();
      for (ClaimedJob job : running) {
        order.add(job.id());
        settle(job, Fate.DONE);
      }
    }
    assertThat(order).filteredOn(a::contains).containsExactlyElementsOf(a);
    assertThat(order).filteredOn(b::contains).containsExactlyElementsOf(b);
  }

  private List<Long> enqueueTogether(String... ofKeys) {
    List<NewJob<String>> jobs = new ArrayList<>();
    for (String key : ofKeys) {
      jobs.add(keyed(key));
    }
    return fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, jobs));
  }

  /** One of each key arrives, and brings the others with it. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void jobsEnqueuedTogether_waitBehindTheFirstOfTheirKeyAndKeepTheirOrder(int ofKey)
      throws Exception {
    limit(ofKey);
    List<Long> before = enqueueTogether("a", "a");
    List<Long> ids = enqueueTogether("b", "a", "b", "a", "b");
    assertThat(fixture.jobs("arriving")).as("one of each key and statement").isEqualTo(3);
    assertThat(fixture.jobs("blocked")).isEqualTo(4);
    assertThat(admit()).isEqualTo(2 * ofKey);
    assertThat(fixture.jobs("arriving")).isZero();
    List<Long> a = List.of(before.get(0), before.get(1), ids.get(1), ids.get(3));
    List<Long> b = List.of(ids.get(0), ids.get(2), ids.get(4));
    List<Long> order = new ArrayList<>();
    Hand hand = fixture.hand();
    for (List<ClaimedJob> running = hand.claim(100);
        !running.isEmpty();
        running = hand.claim(100)) {
      assertThat(running.stream().filter(job -> a.contains(job.id())).count())
          .isLessThanOrEqualTo(ofKey);
      assertThat(running.stream().filter(job -> b.contains(job.id())).count())
          .isLessThanOrEqualTo(ofKey);
      for (ClaimedJob job : running) {
        order.add(job.id());
        settle(job, Fate.DONE);
      }
    }
    assertThat(order).filteredOn(a::contains).containsExactlyElementsOf(a);
    assertThat(order).filteredOn(b::contains).containsExactlyElementsOf(b);
  }

  @Test
  void oneThatArrivedForOthersAndWasCancelled_leavesThemToTheWalk() throws Exception {
    List<Long> ids = enqueueTogether("a", "a", "a");
    fixture.transactions.execute(tx -> fixture.jobs.cancel(tx, ids.get(0), "test"));
    assertThat(admit()).isZero();
    assertThat(sweep()).isEqualTo(1);
    assertThat(claimed(fixture.hand())).containsExactly(ids.get(1));
  }

  @ParameterizedTest
  @EnumSource(Fate.class)
  void nextOfTheKey_followsWhenTheJobHasEndedAndNotBefore(Fate fate) throws Exception {
    List<Long> ids = enqueue("a", 3);
    admit();
    Hand hand = fixture.hand();
    settle(hand.claim(100).get(0), fate);
    boolean ends = Set.of(Fate.DONE, Fate.DISCARDED, Fate.CANCELLED, Fate.DEAD).contains(fate);
    assertThat(claimed(hand))
        .as("what waits for its next attempt keeps its key")
        .containsExactlyElementsOf(ends ? List.of(ids.get(1)) : List.of());
    assertThat(sweep()).isZero();
  }

  @ParameterizedTest
  @EnumSource(Fate.class)
  void staleEnd_handsNothingOn(Fate fate) throws Exception {
    List<Long> ids = enqueue("a", 2);
    admit();
    Hand first = fixture.hand();
    Hand second = fixture.hand();
    ClaimedJob stale = first.claim(100).get(0);
    first.expire();
    second.rescueOthers();
    ClaimedJob held = second.claim(100).get(0);
    assertThat(held.id()).isEqualTo(ids.get(0)).isEqualTo(stale.id());
    assertThat(tryToSettle(stale, fate)).containsEntry(stale.id(), true);
    assertThat(claimed(second)).isEmpty();
    settle(held, Fate.DONE);
    assertThat(claimed(second)).containsExactly(ids.get(1));
  }

  @Test
  void completionInTheHandlersTransaction_handsTheKeyOnWithItsCommit() throws Exception {
    for (boolean commits : new boolean[] {false, true}) {
      List<Long> ids = enqueue("key" + commits, 2);
      admit();
      Hand hand = fixture.hand();
      ClaimedJob job = hand.claim(100).get(0);
      try (Interleaving script = Interleaving.of(postgres.dataSource())) {
        Interleaving.Session handler = script.session("handler");
        handler.run(
            c -> assertThat(fixture.settle.complete(c, job, fixture.slots()).held()).isTrue());
        assertThat(claimed(hand)).isEmpty();
        if (commits) {
          handler.commit();
        } else {
          handler.rollback();
        }
      }
      assertThat(claimed(hand))
          .containsExactlyElementsOf(commits ? List.of(ids.get(1)) : List.of());
    }
  }

  @Test
  void deadWorkersJob_keepsItsKeyUntilItIsRunAgain() throws Exception {
    List<Long> ids = enqueue("a", 2);
    admit();
    Hand dies = fixture.hand();
    assertThat(claimed(dies)).containsExactly(ids.get(0));
    dies.expire();
    Hand other = fixture.hand();
    other.rescueOthers();
    assertThat(sweep()).isZero();
    assertThat(claimed(other)).containsExactly(ids.get(0));
  }

  @Test
  void deadWorkersLastAttempt_handsTheKeyOn() throws Exception {
    fixture.enqueue(keyed("a").withMaxAttempts(1));
    long next = fixture.enqueue(keyed("a"));
    admit();
    Hand dies = fixture.hand();
    assertThat(claimed(dies)).hasSize(1);
    dies.expire();
    Hand other = fixture.hand();
    assertThat(other.rescueOthers()).isEqualTo(new RescueSql.Rescued(0, 1));
    assertThat(claimed(other)).containsExactly(next);
  }

  /** Hazard 17: a head that fails holds up its own key, and no other. */
  @Test
  void poisonedHead_holdsUpItsKeyOnlyAndOrderResumesAfterIt() throws Exception {
    List<Long> a = enqueue("a", 3);
    List<Long> b = enqueue("b", 2);
    admit();
    Hand hand = fixture.hand();
    for (ClaimedJob job : hand.claim(100)) {
      settle(job, job.id() == a.get(0) ? Fate.RETRIED : Fate.DONE);
    }
    assertThat(claimed(hand)).as("the other key goes on").containsExactly(b.get(1));
    fixture.dsl.execute("update pgbelay.job set run_at = now() where id = ?", a.get(0));
    fixture.transactions.execute(tx -> hand.promotions.promote(tx.connection(), 0, 10));
    ClaimedJob again = hand.claim(100).get(0);
    assertThat(again.id()).isEqualTo(a.get(0));
    settle(again, Fate.DEAD);
    ClaimedJob second = hand.claim(100).get(0);
    assertThat(second.id()).isEqualTo(a.get(1));
    fixture.transactions.execute(tx -> DeadLetters.create().redrive(tx, a.get(0)));
    admit();
    settle(second, Fate.DONE);
    assertThat(claimed(hand)).as("the redriven one is the last now").containsExactly(a.get(2));
  }

  @Test
  void cancelledAndRescheduledHeads_handTheirKeyOn() throws Exception {
    List<Long> ids = enqueue("a", 4);
    admit();
    fixture.transactions.execute(tx -> fixture.jobs.cancelWaiting(tx, ids.get(0), "test"));
    fixture.transactions.execute(tx -> fixture.jobs.cancelWaiting(tx, ids.get(2), "blocked"));
    fixture.transactions.execute(
        tx -> fixture.jobs.reschedule(tx, ids.get(1), Instant.parse("2100-01-01T00:00:00Z")));
    Hand hand = fixture.hand();
    assertThat(claimed(hand)).containsExactly(ids.get(3));
    fixture.transactions.execute(
        tx -> fixture.jobs.reschedule(tx, ids.get(1), Instant.parse("2020-01-01T00:00:00Z")));
    assertThat(admit()).as("its key is taken").isZero();
    assertThat(claimed(hand)).isEmpty();
  }

  @Test
  void keyedJobWithADelay_takesItsKeyWhenItFallsDue() throws Exception {
    long later = fixture.enqueue(keyed("a").withDelay(Duration.ofHours(1)));
    long now = fixture.enqueue(keyed("a"));
    admit();
    Hand hand = fixture.hand();
    ClaimedJob running = hand.claim(100).get(0);
    assertThat(running.id()).isEqualTo(now);
    fixture.dsl.execute("update pgbelay.job set run_at = now() where id = ?", later);
    fixture.transactions.execute(tx -> hand.promotions.promote(tx.connection(), 0, 10));
    admit();
    assertThat(claimed(hand)).isEmpty();
    settle(running, Fate.DONE);
    assertThat(claimed(hand)).containsExactly(later);
  }

  /** The end of one and the arrival of the other do not see each other; the walk does. */
  @Test
  void jobThatArrivesWhileTheOnlyOtherIsBeingFinished_isFoundByTheWalk() throws Exception {
    enqueue("a", 1);
    admit();
    Hand hand = fixture.hand();
    ClaimedJob first = hand.claim(100).get(0);
    long second;
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session handler = script.session("handler");
      handler.run(
          c -> assertThat(fixture.settle.complete(c, first, fixture.slots()).held()).isTrue());
      second = fixture.enqueue(keyed("a"));
      assertThat(admit()).as("the key is not free yet").isZero();
      handler.commit();
    }
    assertThat(claimed(hand)).isEmpty();
    assertThat(sweep()).isEqualTo(1);
    assertThat(claimed(hand)).containsExactly(second);
  }

  /** Order within a key is kept: a head that somebody is about to cancel is not passed over. */
  @Test
  void headThatSomebodyIsChanging_isWaitedForByTheWalk() throws Exception {
    List<Long> ids = enqueue("a", 3);
    admit();
    Hand hand = fixture.hand();
    ClaimedJob first = hand.claim(100).get(0);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session user = script.session("user");
      user.run(c -> fixture.jobs.cancelWaiting(Tx.join(c), ids.get(1), "perhaps"));
      settle(first, Fate.DONE);
      assertThat(claimed(hand)).isEmpty();
      assertThat(sweep()).isZero();
      user.rollback();
    }
    assertThat(sweep()).isEqualTo(1);
    assertThat(claimed(hand)).containsExactly(ids.get(1));
  }

  @Test
  void onlyOneProcessAtATime_givesOutSlots() throws Exception {
    enqueue("a", 1);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session one = script.session("one");
      one.run(c -> assertThat(keys.lock(c)).isTrue());
      boolean other = fixture.transactions.run(tx -> keys.lock(tx.connection()));
      assertThat(other).isFalse();
      one.commit();
    }
    assertThat(admit()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 5})
  void keyWithALimit_runsSoManyAtOnce(int limit) throws Exception {
    limit(limit);
    int count = 3 * limit;
    enqueue("a", count);
    admit();
    Hand hand = fixture.hand();
    int done = 0;
    while (done < count) {
      List<ClaimedJob> running = hand.claim(100);
      assertThat(running).hasSize(Math.min(limit, count - done));
      for (ClaimedJob job : running) {
        settle(job, Fate.DONE);
        done++;
      }
    }
  }

  @Test
  void jobThatWaitsUnderALimitOfSeveral_leavesItsSlot() throws Exception {
    limit(2);
    List<Long> ids = enqueue("a", 3);
    admit();
    Hand hand = fixture.hand();
    settle(hand.claim(100).get(0), Fate.RETRIED);
    assertThat(claimed(hand)).containsExactly(ids.get(2));
  }

  @Test
  void changedLimit_isReachedWithoutOneTooMany() throws Exception {
    limit(3);
    enqueue("a", 9);
    admit();
    Hand hand = fixture.hand();
    List<ClaimedJob> three = hand.claim(100);
    assertThat(three).hasSize(3);
    limit(1);
    for (ClaimedJob job : three) {
      settle(job, Fate.DONE);
    }
    sweep();
    List<ClaimedJob> one = hand.claim(100);
    assertThat(one).hasSize(1);
    limit(2);
    assertThat(sweep()).isEqualTo(1);
    assertThat(hand.claim(100)).hasSize(1);
  }

  @Test
  void walkOverKeys_goesOnFromPageToPage() throws Exception {
    for (int i = 0; i < 5; i++) {
      enqueue("k" + i, 2);
    }
    admit();
    fixture.dsl.execute(
        "delete from pgbelay.job where queue = ? and key_slot > 0", fixture.queue); // by hand
    int ready = 0;
    int pages = 0;
    SlotKey after = new SlotKey(fixture.queue, "");
    do {
      SlotKey from = after;
      Given given = fixture.transactions.run(tx -> keys.sweep(tx.connection(), from, 2));
      ready += given.ready();
      after = given.last();
      pages++;
    } while (after != null && after.queue().equals(fixture.queue));
    assertThat(ready).isEqualTo(5);
    assertThat(pages).isGreaterThanOrEqualTo(3);
    assertThat(fixture.hand().claim(100)).hasSize(5);
  }

  /** Whatever else writes the table, the database refuses a second job in a slot. */
  @Test
  void secondJobInASlot_isRefusedByTheDatabase() throws Exception {
    List<Long> ids = enqueue("a", 2);
    admit();
    assertThatThrownBy(
            () ->
                fixture.dsl.execute(
                    "update pgbelay.job set state = 'ready', run_at = null, key_slot = 1"
                        + " where id = ?",
                    ids.get(1)))
        .hasMessageContaining("job_key_slot");
    assertThatThrownBy(
            () ->
                fixture.dsl.execute(
                    "update pgbelay.job set state = 'ready', run_at = null, key_slot = null"
                        + " where id = ?",
                    ids.get(1)))
        .hasMessageContaining("violates check constraint");
  }

  /** In whichever order they died. */
  @Test
  void redrivenJobsOfAKey_standInTheOrderOfTheirIds() throws Exception {
    JobKind<String> kind = JobKind.text("kind-of-" + fixture.queue);
    fixture.dsl.execute(
        "insert into pgbelay.job_dead (id, enqueued_at, attempt, max_attempts, priority, queue,"
            + " kind, reason, partition_key, payload) select 1000000 + n, now(), 1, 1, 0, ?, ?,"
            + " 'x', 'a', '' from generate_series(50, 1, -1) n",
        fixture.queue,
        kind.name());
    int redriven = fixture.transactions.run(tx -> DeadLetters.create().redrive(tx, kind, 1_000));
    assertThat(redriven).isEqualTo(50);
    assertThat(
            fixture
                .dsl
                .fetch(
                    "select id from pgbelay.job where queue = ? order by place, id", fixture.queue)
                .getValues(0, Long.class))
        .isSorted();
  }

  @Test
  void keyOfAnotherQueue_isAnotherKey() throws Exception {
    enqueue("a", 1);
    fixture.enqueue(keyed("a").withQueue(fixture.queue + "-other"));
    admit();
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job where queue like ? and state = 'ready'",
                fixture.queue + "%"))
        .isEqualTo(2);
  }
}
