package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The first job of a key is not overtaken because somebody else has its row for a while. */
class KeyOrderPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final KeySql keys = new KeySql("pgbelay");

  private NewJob<String> keyed() {
    return fixture.mail("x").withPartitionKey("key");
  }

  private NewJob<String> unique() {
    return keyed().withUniqueKey("unique " + fixture.queue, UniqueScope.whileWaiting());
  }

  private void giveSlots() {
    fixture.transactions.execute(
        tx -> {
          try {
            assertThat(keys.lock(tx.connection())).isTrue();
            keys.admit(tx.connection(), KeySql.FRONT, 100);
            keys.sweep(tx.connection(), null, 100);
          } catch (SQLException e) {
            throw new IllegalStateException(e);
          }
        });
  }

  private String state(long id) {
    return String.valueOf(fixture.dsl.fetchValue("select state from pgbelay.job where id = ?", id));
  }

  /**
   * Offers the job again, in a transaction that stays open, so that it cannot be claimed; on
   * another thread something happens meanwhile.
   */
  private void offering(long id, Interval meanwhile) throws Exception {
    try (Connection business = postgres.dataSource().getConnection()) {
      business.setAutoCommit(false);
      assertThat(fixture.jobs.offer(Tx.join(business), unique()))
          .isEqualTo(new JobQueue.Enqueued(id, JobQueue.Enqueued.Outcome.EXISTING));
      CompletableFuture.runAsync(
              () -> {
                try {
                  meanwhile.run();
                } catch (Exception e) {
                  throw new CompletionException(e);
                }
              })
          .join();
      business.rollback();
      business.setAutoCommit(true);
    }
  }

  private interface Interval {
    void run() throws Exception;
  }

  @Test
  void jobThatArrivedFirstAndIsHeldByAnOffer_isNotOvertaken() throws Exception {
    long first = fixture.enqueue(unique());
    long second = fixture.enqueue(keyed());
    long ofOtherKey = fixture.enqueue(fixture.mail("x").withPartitionKey("other"));
    offering(
        first,
        () -> {
          giveSlots();
          assertThat(state(first)).isEqualTo("arriving");
          assertThat(state(second)).isEqualTo("blocked");
          assertThat(state(ofOtherKey)).as("others go on").isEqualTo("ready");
        });
    giveSlots();
    assertThat(state(first)).isEqualTo("ready");
    assertThat(state(second)).isEqualTo("blocked");
  }

  @Test
  void slotOfAJobThatEnds_isNotHandedPastOneThatArrivedBefore() throws Exception {
    final long running = fixture.enqueue(keyed());
    giveSlots();
    QueueFixture.Hand hand = fixture.hand();
    ClaimedJob claimed = hand.claim(1).get(0);
    assertThat(claimed.id()).isEqualTo(running);
    long first = fixture.enqueue(unique());
    long second = fixture.enqueue(keyed());
    offering(
        first,
        () -> {
          giveSlots();
          assertThat(state(second)).isEqualTo("blocked");
          fixture.transactions.execute(
              tx ->
                  assertThat(
                          fixture.settle.settle(
                              tx.connection(),
                              Fate.DONE,
                              hand.claimant.id(),
                              "node",
                              List.of(Settlement.of(claimed, Fate.DONE, fixture.slots()))))
                      .isEmpty());
          giveSlots();
          assertThat(state(second)).isEqualTo("blocked");
        });
    giveSlots();
    assertThat(state(first)).isEqualTo("ready");
    assertThat(state(second)).isEqualTo("blocked");
  }

  /** A look that begins at a mark does not see it; another of its key waits all the same. */
  @Test
  void jobThatArrivesBeforeTheMark_isNotOvertaken() throws Exception {
    long early = fixture.enqueue(keyed().withPriority(Duration.ofHours(1)));
    long late = fixture.enqueue(keyed());
    long ofOtherKey = fixture.enqueue(fixture.mail("x").withPartitionKey("other"));
    long mark =
        Long.parseLong(
            String.valueOf(
                fixture.dsl.fetchValue("select place - 1 from pgbelay.job where id = ?", late)));
    fixture.transactions.execute(
        tx -> {
          assertThat(keys.admit(tx.connection(), mark, 100).looked()).isEqualTo(2);
          keys.sweep(tx.connection(), null, 100);
        });
    assertThat(state(early)).isEqualTo("arriving");
    assertThat(state(late)).isEqualTo("blocked");
    assertThat(state(ofOtherKey)).isEqualTo("ready");
    giveSlots();
    assertThat(state(early)).isEqualTo("ready");
    assertThat(state(late)).isEqualTo("blocked");
  }

  /** Runs what may run, one after the other, until nothing may. */
  private List<Long> runAll() throws Exception {
    QueueFixture.Hand hand = fixture.hand();
    List<Long> ran = new ArrayList<>();
    giveSlots();
    List<ClaimedJob> claimed = hand.claim(10);
    while (!claimed.isEmpty()) {
      assertThat(claimed).as("one at a time").hasSize(1);
      ran.add(claimed.get(0).id());
      Settlement done = Settlement.of(claimed.get(0), Fate.DONE, fixture.slots());
      fixture.transactions.execute(
          tx ->
              fixture.settle.settle(
                  tx.connection(), Fate.DONE, hand.claimant.id(), "node", List.of(done)));
      claimed = hand.claim(10);
    }
    return ran;
  }

  /** One with a key taken over, one without, two with new ones: their ids are drawn one by one. */
  private List<NewJob<String>> someWithUniqueKeys(UnaryOperator<NewJob<String>> as)
      throws Exception {
    String old = "old " + fixture.queue;
    fixture.enqueue(keyed().withUniqueKey(old, UniqueScope.whileWaiting()));
    assertThat(runAll()).hasSize(1);
    return Stream.of(
            keyed(),
            keyed().withUniqueKey("z " + fixture.queue, UniqueScope.whileWaiting()),
            keyed().withUniqueKey(old, UniqueScope.whileWaiting()),
            keyed(),
            keyed().withUniqueKey("a " + fixture.queue, UniqueScope.whileWaiting()))
        .map(as)
        .toList();
  }

  private List<Long> offerAll(List<NewJob<String>> some) {
    List<JobQueue.Enqueued> offered =
        fixture.transactions.run(tx -> fixture.jobs.offerAll(tx, some));
    assertThat(offered).extracting("outcome").containsOnly(JobQueue.Enqueued.Outcome.INSERTED);
    return offered.stream().map(JobQueue.Enqueued::id).toList();
  }

  @Test
  void jobsOfOneCall_runInItsOrderWhateverTheirUniqueKeys() throws Exception {
    List<Long> ids = offerAll(someWithUniqueKeys(job -> job));
    assertThat(runAll()).isEqualTo(ids);
  }

  @Test
  void jobsOfOneCallAndMoment_runInItsOrderWhateverTheirUniqueKeys() throws Exception {
    Instant past = Instant.now().minusSeconds(100);
    List<Long> ids = offerAll(someWithUniqueKeys(job -> job.withRunAt(past)));
    assertThat(runAll()).isEqualTo(ids);
  }

  /** A page of what falls due need not be all of one moment. */
  @Test
  void jobsOfOneCallThatFallDueTogether_runInItsOrderHoweverTheyArePromoted() throws Exception {
    Instant later = Instant.now().plusSeconds(3_600);
    List<Long> ids = offerAll(someWithUniqueKeys(job -> job.withRunAt(later)));
    for (int i = ids.size() - 1; i >= 0; i--) { // the last one stands first in the table now
      fixture.dsl.execute(
          "update pgbelay.job set run_at = run_at - interval '2 h', place = place - 7200000000"
              + " where id = ?",
          ids.get(i));
    }
    PromoteSql promotions = new PromoteSql("pgbelay");
    for (long id : ids) {
      int promoted = fixture.transactions.run(tx -> promotions.promote(tx.connection(), 0, 1));
      assertThat(promoted).isEqualTo(1);
      assertThat(state(id)).isEqualTo("arriving");
      giveSlots();
    }
    assertThat(runAll()).isEqualTo(ids);
  }

  @Test
  void limitPerKeyThatIsLowered_holdsForJobsThatHaveSlotsAndWait() throws Exception {
    QueueControl control = QueueControl.create();
    fixture.transactions.execute(
        tx -> control.limitQueue(tx, fixture.queue, Limits.none().withPerKey(3)));
    for (int i = 0; i < 3; i++) {
      fixture.enqueue(keyed());
    }
    giveSlots();
    assertThat(fixture.jobs("ready")).isEqualTo(3);
    fixture.transactions.execute(tx -> control.limitQueue(tx, fixture.queue, Limits.none()));
    assertThat(fixture.jobs("ready")).isEqualTo(1);
    giveSlots();
    QueueFixture.Hand hand = fixture.hand();
    for (int i = 0; i < 3; i++) {
      List<ClaimedJob> claimed = hand.claim(10);
      assertThat(claimed).hasSize(1);
      fixture.transactions.execute(
          tx ->
              fixture.settle.settle(
                  tx.connection(),
                  Fate.DONE,
                  hand.claimant.id(),
                  "node",
                  List.of(Settlement.of(claimed.get(0), Fate.DONE, fixture.slots()))));
    }
    assertThat(fixture.finished("done")).isEqualTo(3);
  }
}
