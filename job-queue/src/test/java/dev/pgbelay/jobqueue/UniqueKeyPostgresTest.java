package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.jobqueue.JobQueue.Enqueued;
import dev.pgbelay.jobqueue.JobQueue.Enqueued.Outcome;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jooq.TransactionalRunnable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Of jobs with one unique key there is one, whoever enqueues them at the same time. */
class UniqueKeyPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final UniqueSql sql = new UniqueSql("pgbelay");

  private NewJob<String> job(String key, UniqueScope scope) {
    return fixture.mail(key).withUniqueKey(fixture.queue + key, scope);
  }

  private Enqueued offer(NewJob<String> job) {
    return fixture.transactions.run(tx -> fixture.jobs.offer(tx, job));
  }

  private static Enqueued inserted(long id) {
    return new Enqueued(id, Outcome.INSERTED);
  }

  private static Enqueued existing(long id) {
    return new Enqueued(id, Outcome.EXISTING);
  }

  private int waiting() {
    return fixture.count("select count(*) from pgbelay.job where queue = ?", fixture.queue);
  }

  private void settle(ClaimedJob job, Fate fate) throws Exception {
    Settlement settlement = Settlement.of(job, fate, fixture.slots()).because("test");
    java.util.Map<Long, Boolean> stale =
        fixture.transactions.run(
            tx ->
                fixture.settle.settle(
                    tx.connection(), fate, job.fence().claimant(), "test", List.of(settlement)));
    assertThat(stale).isEmpty();
  }

  @Test
  void secondJobOfAKey_isNotAddedAndTheFirstIsNamed() {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    JobQueue counted = JobQueue.builder().meterRegistry(meters).build();
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    Enqueued first = fixture.transactions.run(tx -> counted.offer(tx, job));
    assertThat(first.outcome()).isEqualTo(Outcome.INSERTED);
    Enqueued second = fixture.transactions.run(tx -> counted.offer(tx, job));
    assertThat(second).isEqualTo(existing(first.id()));
    assertThat(fixture.enqueue(job)).as("enqueue names it too").isEqualTo(first.id());
    assertThat(offer(job("b", UniqueScope.whileUnfinished())).outcome())
        .isEqualTo(Outcome.INSERTED);
    JobKind<String> other = JobKind.text("other");
    assertThat(
            offer(
                    other
                        .job("x")
                        .withQueue(fixture.queue)
                        .withUniqueKey(fixture.queue + "a", UniqueScope.whileUnfinished()))
                .outcome())
        .as("another kind")
        .isEqualTo(Outcome.INSERTED);
    assertThat(waiting()).isEqualTo(3);
    assertThat(meters.get("pgbelay.jobqueue.enqueued").counter().count()).isEqualTo(1);
    assertThat(meters.get("pgbelay.jobqueue.existing").counter().count()).isEqualTo(1);
  }

  @Test
  void whileUnfinished_endsWithTheJobHoweverItEnds() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    Hand hand = fixture.hand();
    for (Fate fate : new Fate[] {Fate.DONE, Fate.DISCARDED, Fate.DEAD}) {
      long id = offer(job).id();
      ClaimedJob claimed = hand.claim(1).get(0);
      assertThat(offer(job)).as("it runs").isEqualTo(existing(id));
      settle(claimed, fate);
      Enqueued next = offer(job);
      assertThat(next.outcome()).as(fate.tag()).isEqualTo(Outcome.INSERTED);
      assertThat(next.id()).isNotEqualTo(id);
      fixture.transactions.execute(tx -> fixture.jobs.cancelWaiting(tx, next.id(), "test"));
    }
    long id = offer(job).id();
    settle(hand.claim(1).get(0), Fate.RETRIED);
    assertThat(offer(job)).as("it waits for its next attempt").isEqualTo(existing(id));
  }

  @Test
  void whileWaiting_endsWhenTheJobBegins() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileWaiting());
    long first = offer(job).id();
    assertThat(offer(job)).isEqualTo(existing(first));
    assertThat(fixture.hand().claim(1)).hasSize(1);
    long second = offer(job).id();
    assertThat(second).isNotEqualTo(first);
    assertThat(offer(job)).isEqualTo(existing(second));
  }

  /** So the job sees what was written by the transaction that relied on it. */
  @Test
  void jobThatWasNamedInsteadOfANewOne_doesNotBeginBeforeThatTransactionEnds() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileWaiting());
    long first = offer(job).id();
    Hand hand = fixture.hand();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session relying = script.session("relying");
      relying.run(c -> assertThat(fixture.jobs.offer(Tx.join(c), job)).isEqualTo(existing(first)));
      assertThat(hand.claim(10)).as("not yet").isEmpty();
      relying.commit();
    }
    assertThat(hand.claim(10)).extracting(ClaimedJob::id).containsExactly(first);
  }

  @Test
  void offerDuringTheClaimOfTheWaitingJob_waitsForItAndAddsANewOne() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileWaiting());
    long first = offer(job).id();
    Hand hand = fixture.hand();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session claiming = script.session("claiming");
      Interleaving.Session offering = script.session("offering");
      claiming.run(
          c ->
              assertThat(
                      hand.claims.claim(
                          c,
                          hand.claimant.next(),
                          fixture.queue,
                          LowWaterMark.Spot.FRONT,
                          Set.of("mail"),
                          1,
                          Duration.ofSeconds(30)))
                  .hasSize(1));
      Interleaving.Step<Enqueued> offer =
          offering.start("offer", c -> fixture.jobs.offer(Tx.join(c), job));
      offer.awaitBlockedBy(claiming);
      claiming.commit();
      assertThat(offer.get().outcome()).isEqualTo(Outcome.INSERTED);
      assertThat(offer.get().id()).isNotEqualTo(first);
      offering.commit();
    }
  }

  @Test
  void period_outlivesTheJob() throws Exception {
    NewJob<String> job = job("a", UniqueScope.forPeriod(Duration.ofHours(1)));
    long id = offer(job).id();
    settle(fixture.hand().claim(1).get(0), Fate.DONE);
    assertThat(offer(job)).isEqualTo(existing(id));
    expire();
    long second = offer(job).id();
    assertThat(second).isNotEqualTo(id);
    assertThat(offer(job)).as("a new period").isEqualTo(existing(second));
    expire();
    assertThat(offer(job).outcome()).as("though it waits").isEqualTo(Outcome.INSERTED);
  }

  @Test
  void periodAndJob_bothHold() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished().andFor(Duration.ofHours(1)));
    long id = offer(job).id();
    expire();
    assertThat(offer(job)).as("unfinished").isEqualTo(existing(id));
    settle(fixture.hand().claim(1).get(0), Fate.DONE);
    assertThat(offer(job).outcome()).isEqualTo(Outcome.INSERTED);
  }

  private void expire() {
    fixture.dsl.execute(
        "update pgbelay.job_unique set expires_at = now() - interval '1 s' where key like ?",
        fixture.queue + "%");
  }

  @Test
  void rollback_givesTheKeyBack() {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      fixture.jobs.offer(tx, job);
                      throw new IllegalStateException("business");
                    }))
        .hasMessage("business");
    assertThat(offer(job).outcome()).isEqualTo(Outcome.INSERTED);
  }

  @Test
  void rollbackToASavepoint_givesTheKeyBack() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    fixture.transactions.execute(
        tx -> {
          Savepoint savepoint = tx.connection().setSavepoint();
          assertThat(fixture.jobs.offer(tx, job).outcome()).isEqualTo(Outcome.INSERTED);
          tx.connection().rollback(savepoint);
          assertThat(fixture.jobs.offer(tx, job).outcome()).isEqualTo(Outcome.INSERTED);
        });
    fixture.transactions.execute(
        tx -> {
          TransactionalRunnable nested =
              inner -> {
                assertThat(
                        fixture
                            .jobs
                            .offer(Tx.join(inner.dsl()), job("b", UniqueScope.forPeriod(HOUR)))
                            .outcome())
                    .isEqualTo(Outcome.INSERTED);
                throw new IllegalStateException("inner");
              };
          assertThatThrownBy(() -> tx.dsl().transaction(nested)).hasMessage("inner");
        });
    assertThat(waiting()).isEqualTo(1);
  }

  private static final Duration HOUR = Duration.ofHours(1);

  /** The first to insert decides; the other waits, and learns which. */
  @Test
  void twoOffersAtTheSameTime_addOne() throws Exception {
    for (boolean commits : new boolean[] {true, false}) {
      NewJob<String> job = job("new" + commits, UniqueScope.whileUnfinished());
      try (Interleaving script = Interleaving.of(postgres.dataSource())) {
        Interleaving.Session one = script.session("one");
        Interleaving.Session two = script.session("two");
        Enqueued[] first = new Enqueued[1];
        one.run(c -> first[0] = fixture.jobs.offer(Tx.join(c), job));
        Interleaving.Step<Enqueued> second =
            two.start("offer", c -> fixture.jobs.offer(Tx.join(c), job));
        second.awaitBlockedBy(one);
        if (commits) {
          one.commit();
          assertThat(second.get()).isEqualTo(existing(first[0].id()));
        } else {
          one.rollback();
          assertThat(second.get().outcome()).isEqualTo(Outcome.INSERTED);
        }
        two.commit();
      }
    }
    assertThat(waiting()).isEqualTo(2);
  }

  /**
   * Hazard 14. Both find that the key is nobody's any more; the row is locked before it is judged.
   */
  @Test
  void twoOffersOfAKeyWhoseJobIsDone_addOne() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    offer(job);
    settle(fixture.hand().claim(1).get(0), Fate.DONE);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session one = script.session("one");
      Interleaving.Session two = script.session("two");
      Enqueued[] first = new Enqueued[1];
      one.run(c -> first[0] = fixture.jobs.offer(Tx.join(c), job));
      assertThat(first[0].outcome()).isEqualTo(Outcome.INSERTED);
      Interleaving.Step<Enqueued> second =
          two.start("offer", c -> fixture.jobs.offer(Tx.join(c), job));
      second.awaitBlockedBy(one);
      one.commit();
      assertThat(second.get()).isEqualTo(existing(first[0].id()));
      two.commit();
    }
    assertThat(waiting()).isEqualTo(1);
  }

  /** Hazard 14. While the result is not committed, the job is there. */
  @Test
  void offerDuringTheCompletion_namesTheJobUntilThatIsCommitted() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    long id = offer(job).id();
    ClaimedJob claimed = fixture.hand().claim(1).get(0);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session completing = script.session("completing");
      completing.run(
          c -> assertThat(fixture.settle.complete(c, claimed, fixture.slots()).held()).isTrue());
      assertThat(offer(job)).as("does not wait").isEqualTo(existing(id));
      completing.commit();
    }
    assertThat(offer(job).outcome()).isEqualTo(Outcome.INSERTED);
  }

  /** Hazard 14: rescue and promotion of the job whose key it is. */
  @Test
  void rescuedAndPromotedJobs_keepTheirKey() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    long id = offer(job.withDelay(Duration.ofHours(1))).id();
    fixture.dsl.execute("update pgbelay.job set run_at = now() where id = ?", id);
    Hand hand = fixture.hand();
    int promoted = fixture.transactions.run(tx -> hand.promotions.promote(tx.connection(), 0, 10));
    assertThat(promoted).isEqualTo(1);
    assertThat(offer(job)).isEqualTo(existing(id));
    assertThat(hand.claim(1)).hasSize(1);
    hand.expire();
    fixture.hand().rescueOthers();
    assertThat(offer(job)).isEqualTo(existing(id));
    assertThat(waiting()).isEqualTo(1);
  }

  @Test
  void underRepeatableRead_theSecondFailsAndItsRetryNamesTheFirst() {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    TxOptions repeatable =
        TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build();
    long[] id = new long[1];
    int[] runs = new int[1];
    Enqueued second =
        fixture.transactions.run(
            repeatable,
            tx -> {
              tx.dsl().fetchValue("select count(*) from pgbelay.job");
              if (runs[0]++ == 0) {
                id[0] =
                    fixture
                        .transactions
                        .run(
                            TxOptions.builder().nesting(TxOptions.Nesting.INDEPENDENT).build(),
                            own -> fixture.jobs.offer(own, job))
                        .id();
              }
              return fixture.jobs.offer(tx, job);
            });
    assertThat(second).isEqualTo(existing(id[0]));
    assertThat(runs[0]).isEqualTo(2);
  }

  @Test
  void bulk_addsTheFirstOfEachKeyInTheOrderOfTheJobs() {
    long known = offer(job("k3", UniqueScope.whileUnfinished())).id();
    List<NewJob<String>> jobs = new ArrayList<>();
    for (int i = 0; i < 12_000; i++) {
      NewJob<String> plain = fixture.mail("p" + i);
      jobs.add(
          i % 3 == 0
              ? plain
              : plain.withUniqueKey(
                  fixture.queue + "k" + i % 4_000, UniqueScope.whileUnfinished()));
    }
    List<Enqueued> results = fixture.transactions.run(tx -> fixture.jobs.offerAll(tx, jobs));
    assertThat(results).hasSize(jobs.size());
    java.util.Map<String, Long> owners = new java.util.HashMap<>();
    owners.put(fixture.queue + "k3", known);
    int added = 1;
    for (int i = 0; i < results.size(); i++) {
      Enqueued result = results.get(i);
      String key = jobs.get(i).unique().map(NewJob.UniqueKey::key).orElse("none" + i);
      Long owner = owners.putIfAbsent(key, result.id());
      assertThat(result).isEqualTo(owner == null ? inserted(result.id()) : existing(owner));
      added += owner == null ? 1 : 0;
    }
    assertThat(waiting()).isEqualTo(added);
    for (int i = 0; i < results.size(); i += 401) {
      if (results.get(i).outcome() == Outcome.INSERTED) {
        assertThat(
                fixture.dsl.fetchValue(
                    "select convert_from(payload, 'UTF8') from pgbelay.job where id = ?",
                    results.get(i).id()))
            .isEqualTo("p" + i);
      }
    }
  }

  /** Many processes, the same keys in any order, jobs that end meanwhile, and the purge. */
  @Test
  void manyOffersClaimsAndPurgesAtOnce_neverHaveTwoUnfinishedJobsOfAKey() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("manyOffersClaimsAndPurgesAtOnce -Dpgbelay.seed=" + seed);
    int rounds = QueueFixture.FULL ? 2_000 : 150;
    Set<Long> added = ConcurrentHashMap.newKeySet();
    Set<Long> named = ConcurrentHashMap.newKeySet();
    ExecutorService threads = Executors.newFixedThreadPool(6);
    try {
      List<Callable<Void>> work = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Random random = new Random(seed + t);
        work.add(
            () -> {
              for (int round = 0; round < rounds; round++) {
                List<NewJob<String>> jobs = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                  jobs.add(job("k" + i, UniqueScope.whileUnfinished()));
                }
                Collections.shuffle(jobs, random);
                for (Enqueued one :
                    fixture.transactions.run(
                        tx -> fixture.jobs.offerAll(tx, jobs.subList(0, 1 + random.nextInt(7))))) {
                  (one.outcome() == Outcome.INSERTED ? added : named).add(one.id());
                }
              }
              return null;
            });
      }
      work.add(
          () -> {
            Hand hand = fixture.hand();
            for (int round = 0; round < rounds; round++) {
              for (ClaimedJob job : hand.claim(3)) {
                settle(job, Fate.DONE);
              }
            }
            return null;
          });
      work.add(
          () -> {
            for (int round = 0; round < rounds * 2; round++) {
              fixture.transactions.run(tx -> sql.purge(tx.connection(), null, 100));
              assertThat(
                      fixture.count(
                          "select coalesce(max(n), 0) from (select count(*) as n from pgbelay.job"
                              + " where queue = ? group by payload) as counts",
                          fixture.queue))
                  .isLessThanOrEqualTo(1);
            }
            return null;
          });
      for (Future<Void> done : threads.invokeAll(work)) {
        done.get();
      }
    } finally {
      threads.shutdownNow();
    }
    assertThat(waiting()).as("one of each key at most").isLessThanOrEqualTo(8);
    assertThat(added).as("what was named exists").containsAll(named);
    assertThat(waiting() + fixture.finished("done")).isEqualTo(added.size());
  }

  @Test
  void badKeys_areRefused() {
    assertThatThrownBy(() -> job("\0", UniqueScope.whileWaiting()))
        .hasMessageContaining("the unique key holds a NUL");
    assertThatThrownBy(() -> fixture.mail("x").withUniqueKey("", UniqueScope.whileWaiting()))
        .hasMessageContaining("the length of the unique key must be between 1 and 255, is 0");
    assertThatThrownBy(() -> UniqueScope.forPeriod(Duration.ofMillis(1)))
        .hasMessageContaining("period must be between PT1S");
    assertThat(job("secret", UniqueScope.whileWaiting()).toString()).doesNotContain("secret");
  }
}
